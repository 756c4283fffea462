"""The guard at the way out: NaN, infinities and nothing never leave."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

SMALL = 64  # values below which plain Python is quicker than an array operation


def finite(outputs: Mapping[str, NDArray[np.generic]]) -> str | None:
    """Return the name of an output that holds NaN, an infinity or nothing where a value belongs; None if all are."""
    for name, array in outputs.items():
        kind = array.dtype.kind
        if kind == "f":
            # A sum is finite only if every value is; it may also overflow, and then the values are looked at.
            if array.size <= SMALL and math.isfinite(sum(array.ravel().tolist())):
                continue
            if not np.isfinite(array).all():
                return name
        elif kind == "O" and any(one is None for one in array.ravel()):
            return name
    return None
