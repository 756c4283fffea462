"""The guard at the way out: NaN, infinities and nothing never leave."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray


def finite(outputs: Mapping[str, NDArray[np.generic]]) -> str | None:
    """Return the name of an output that holds NaN, an infinity or nothing where a value belongs; None if all are."""
    for name, array in outputs.items():
        if array.dtype.kind == "f":
            if not np.isfinite(array).all():
                return name
        elif array.dtype.kind == "O" and any(one is None for one in array.ravel()):
            return name
    return None
