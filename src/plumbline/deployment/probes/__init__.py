"""Readings that diagnostics take of models, registries and servers, on any platform."""
