"""What the user asked for cannot be done as asked."""

from __future__ import annotations


class LoadError(Exception):
    """A target, a scenario or an option is wrong; the message is one sentence with a hint."""
