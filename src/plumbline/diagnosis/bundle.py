"""Bundles."""


class BundleError(Exception):
    """A bundle cannot be written or read."""
