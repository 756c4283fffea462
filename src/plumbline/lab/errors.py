"""What can go wrong with a lab, each with its sentence."""

from __future__ import annotations


class LabError(Exception):
    """The lab does not start, or something in it does not do what was asked."""


class MissingError(LabError):
    """The machine lacks something that this fault needs."""
