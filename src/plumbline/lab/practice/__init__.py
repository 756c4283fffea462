"""Practice: a person breaks a lab of their own, searches, diagnoses, fixes, and sees it turn green."""
