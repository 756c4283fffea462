"""JetStream's time stamps. Pure."""

from __future__ import annotations

import time
from datetime import datetime


def instant(stamp: str) -> float | None:
    """Return a time stamp in seconds since 1970; None for the zero time that an empty stream has."""
    whole, _, fraction = stamp.removesuffix("Z").partition(".")
    if not whole or whole.startswith("0001-"):
        return None
    return datetime.fromisoformat(f"{whole}.{fraction[:6]:0<6}+00:00").timestamp()  # Python 3.11 reads six digits


def age_s(stamp: str) -> float | None:
    """Return how old a time stamp is by this machine's clock, in seconds, at least 0."""
    then = instant(stamp)
    return None if then is None else max(0.0, time.time() - then)
