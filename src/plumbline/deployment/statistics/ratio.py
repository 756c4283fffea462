"""Does it happen more often on one side than on the other? A test that stays valid however often one looks.

Requests are assigned at random: with probability `share` to the new side, else to the baseline. Look only at the
requests at which the event happened (an error, an answer that was too slow, a score in some range). Given that it
happened, it happened on the new side with probability `share·r / (share·r + 1 - share)`, where `r` is the ratio of the
two sides' rates. That holds request by request, whatever the rates are and however they move through the day, because
both sides see the same traffic. Under the hypothesis `r ≤ margin` the likelihood ratio against `margin`, averaged over
a grid of larger ratios, is a supermartingale that starts at 1: by Ville's inequality it ever reaches `1/alpha` with a
probability of at most `alpha`.

Sources: Ville (1939); Robbins (1970), mixtures; Ramdas, Grünwald, Vovk and Shafer (2023), "Game-theoretic statistics
and safe anytime-valid inference", section 4. Conditioning on the events is the argument of McNemar (1947).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from plumbline.deployment.core.errors import InvalidError

WORSE = (1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
"""Ratios that the mixture bets on: from half as much again to thirty times as often."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Events on both sides while the share stood still.

    Args:
        new: Events on the new side.
        baseline: Events on the baseline.
        share: Probability that a request went to the new side, between 0 and 1, both excluded.
    """

    new: int
    baseline: int
    share: float

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise InvalidError(f"a share of {self.share:g} leaves nothing to compare: it must lie between 0 and 1")
        if self.new < 0 or self.baseline < 0:
            raise InvalidError(f"events cannot be negative: {self.new} and {self.baseline}")


@dataclass(frozen=True, slots=True)
class Ratio:
    """A test of `rate(new) ≤ margin · rate(baseline)`.

    Args:
        margin: Largest ratio of the rates that is still no harm; 1 for none.
        against: Ratios above the margin that the mixture bets on, with equal weight, relative to the margin.
    """

    margin: float = 1.0
    against: tuple[float, ...] = field(default=WORSE)

    def __post_init__(self) -> None:
        if self.margin <= 0:
            raise InvalidError(f"the margin is a ratio of rates and must be above 0, not {self.margin:g}")
        if not self.against or min(self.against) <= 1:
            raise InvalidError("each ratio that the test bets on must be above 1: it is relative to the margin")

    def log_evidence(self, counts: tuple[Counts, ...]) -> float:
        """Return the natural logarithm of the evidence (e-value) for harm.

        Args:
            counts: One entry for each share that was in force, in any order; their events may be pooled per share.
        """
        bets = np.zeros(len(self.against))
        for one in counts:
            bets += one.new * self._gain(one.share, new=True) + one.baseline * self._gain(one.share, new=False)
        return float(np.logaddexp.reduce(bets) - np.log(len(self.against)))

    def log_path(self, new: NDArray[np.bool_], share: float) -> NDArray[np.float64]:
        """Return the logarithm of the evidence after each event, for simulations.

        Args:
            new: Whether the event was on the new side, `(..., n_events)`.
            share: As in `Counts`.
        """
        steps = np.where(new[..., None], self._gain(share, new=True), self._gain(share, new=False))
        path = np.logaddexp.reduce(np.cumsum(steps, axis=-2), axis=-1) - np.log(len(self.against))
        return np.asarray(path, dtype=np.float64)

    def _gain(self, share: float, *, new: bool) -> NDArray[np.float64]:
        """Return what each bet gains, in logarithms, by one event on that side."""

        def odds(ratio: float | NDArray[np.float64]) -> NDArray[np.float64]:
            return np.asarray(share * ratio / (share * ratio + 1 - share), dtype=np.float64)

        null, bets = odds(self.margin), odds(self.margin * np.asarray(self.against))
        return np.log(bets / null) if new else np.log1p(-bets) - np.log1p(-null)


def threshold(alpha: float) -> float:
    """Return the logarithm of the evidence at which a test of level `alpha` decides.

    Raises:
        InvalidError: The level does not lie between 0 and 1.
    """
    if not 0 < alpha < 1:
        raise InvalidError(
            f"a level of {alpha:g} is no probability of error: it must lie between 0 and 1, such as 0.05"
        )
    return float(-np.log(alpha))
