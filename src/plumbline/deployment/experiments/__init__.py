"""A/B tests of models: who gets which, what came of it, and what may be concluded, at any moment."""
