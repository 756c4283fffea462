"""Reports as text: for people, programs, CI, Prometheus, Nagios, tickets. One module and one `render` each."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import cast

from plumbline.diagnosis.report import Report

FORMATS = ("human", "json", "junit", "prometheus", "nagios", "markdown")


def render(report: Report, name: str) -> str:
    """Return the report as text, ending in a newline.

    Raises:
        ValueError: There is no such format.
    """
    if name not in FORMATS:
        raise ValueError(f"there is no format '{name}'; known are {', '.join(FORMATS)}")
    module = importlib.import_module(f"plumbline.diagnosis.formats.{name}")
    return cast("Callable[[Report], str]", module.render)(report)


__all__ = ["FORMATS", "render"]
