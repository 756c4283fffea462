"""Who is in which arm: computed from the unit's key and the experiment's salt, the same on every machine and for ever.

When a share grows, only units that the arm gains move: everybody else stays where they were.
"""

from __future__ import annotations

import hashlib

from plumbline.deployment.core.errors import InvalidError
from plumbline.deployment.experiments.plan import Arm, Plan

_SPAN = 1 << 64


def place(salt: str, unit: str) -> float:
    """Return where a unit lies, evenly spread over [0, 1): SHA-256 of salt and key, so that nobody can aim.

    Raises:
        InvalidError: The key is empty: all that have none would be one unit.
    """
    if not unit:
        raise InvalidError("a unit without a key cannot be assigned: send the user's, session's or device's id")
    # The length keeps ("ab", "c") and ("a", "bc") apart.
    digest = hashlib.sha256(f"{len(salt)}:{salt}{unit}".encode()).digest()
    return int.from_bytes(digest[:8]) / _SPAN


def assign(plan: Plan, unit: str) -> Arm:
    """Return the unit's arm."""
    at = place(plan.salt, unit)
    upper = 0.0
    for arm in plan.arms:
        upper += arm.share
        if at < upper:
            return arm
    return plan.arms[-1]  # shares that add up to 1 only within rounding
