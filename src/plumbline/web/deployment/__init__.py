"""Registries and deployments over HTTP: what is there, what is under way, and the few answers that people give."""
