"""Less noise from what was known before: CUPED (Deng, Xu, Kohavi and Walker, WSDM 2013).

A metric's part that a covariate from before the experiment explains is subtracted; both arms keep their difference,
because the covariate cannot know the arm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from plumbline.deployment.core.errors import InvalidError


@dataclass(frozen=True, slots=True)
class Adjusted:
    """The metric with less variance.

    Args:
        values: Adjusted, `(n,)`, in the order given.
        theta: Slope that was used for both arms.
        reduction: Fraction of the variance that went, between 0 and 1.
    """

    values: NDArray[np.float64]
    theta: float
    reduction: float


def adjust(metric: ArrayLike, before: ArrayLike) -> Adjusted:
    """Subtract what the covariate explains, with one slope over both arms.

    Args:
        metric: During the experiment, one value per unit of both arms, `(n,)`.
        before: The covariate of the same units from before their assignment, `(n,)`; NaN for new units, which
            keep their value.

    Raises:
        InvalidError: Lengths differ or the metric holds a value that is not finite.
    """
    y, x = np.asarray(metric, dtype=np.float64), np.asarray(before, dtype=np.float64)
    if y.shape != x.shape or y.ndim != 1:
        raise InvalidError(f"metric {y.shape} and covariate {x.shape}: expected one value per unit in each")
    if not np.isfinite(y).all():
        raise InvalidError(
            f"{int((~np.isfinite(y)).sum())} values of the metric are not finite: mend or drop those units"
        )
    known = np.isfinite(x)
    if known.sum() < 2 or np.ptp(x[known]) == 0 or np.ptp(y) == 0:
        return Adjusted(y.copy(), 0.0, 0.0)
    centred = np.where(known, x - x[known].mean(), 0.0)
    theta = float((centred * (y - y.mean())).sum() / (centred**2).sum())
    values = y - theta * centred
    return Adjusted(values, theta, max(0.0, float(1 - values.var() / y.var())))
