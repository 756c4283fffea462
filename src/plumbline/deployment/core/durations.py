"""Lengths of time as people write them: `30 min`, `7d`, `1.5h`; in the code always seconds."""

from __future__ import annotations

import re

from plumbline.deployment.core.errors import InvalidError

_UNITS = {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}
_FORM = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|h|d|w)")


def seconds(given: str | float, where: str) -> float:
    """Return a duration in seconds; a bare number is one already.

    Args:
        given: `90`, `90s`, `30 min`, `12h`, `7d`, `2w`, `250ms`.
        where: What it is, for the error: `cool_down`.

    Raises:
        InvalidError: It is no duration, or negative.
    """
    if isinstance(given, int | float) and not isinstance(given, bool) and 0 <= given < float("inf"):
        return float(given)
    found = _FORM.fullmatch(given.strip()) if isinstance(given, str) else None
    if found is None:
        raise InvalidError(f"{where} is '{given}': expected a time such as 90s, 30min, 12h or 7d", where=where)
    return float(found[1]) * _UNITS[found[2]]


def told(length_s: float) -> str:
    """Return a length of time for people, in the largest unit of which there are two at least."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if length_s >= 2 * size:
            return f"{length_s / size:.0f} {unit}"
    return f"{length_s:.0f} s"
