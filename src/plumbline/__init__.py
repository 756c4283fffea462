"""Plumbline: an ML-platform handbook that can be run, and that is proven."""

__version__ = "0.1.0"
