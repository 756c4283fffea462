"""The model server: Open Inference Protocol v2 over HTTP, versions switched under load without losing a request."""
