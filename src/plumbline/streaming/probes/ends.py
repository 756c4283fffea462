"""The note that a gateway leaves beside its admin socket: how far it got with its end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SUFFIX = ".last-end"
FIELDS = ("how", "connections", "left", "within_s", "took_s", "cut", "lost", "at")


def note(path: Path) -> dict[str, Any] | None:
    """Return what the note says, `at` in seconds since the epoch; None if there is none, or nothing sensible in it."""
    try:
        noted = json.loads(path.read_text(encoding="utf-8"))
        found = {key: noted.get(key) for key in FIELDS}
        return {**found, "how": str(noted["how"]), "at": float(noted["at"])}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):  # none yet, or half a file
        return None


def with_age(found: dict[str, Any], now: float) -> dict[str, Any]:
    """Return a note with `ago_s`, the seconds since it was written."""
    return {**found, "ago_s": round(max(0.0, now - found["at"]), 3)}
