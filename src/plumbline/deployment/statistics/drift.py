"""Do scores fall elsewhere than the baseline's? The ratio test, in every range and both tails, both ways, at once.

The average of several pieces of evidence against the same hypothesis is evidence too, however they depend on each
other (Vovk and Wang, 2021, "E-values: calibration, combination and applications"), so no correction is needed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from plumbline.deployment.core.errors import InvalidError
from plumbline.deployment.statistics.ratio import Counts, Ratio

TOLERATED = 1.25
"""A range of scores may be hit a quarter more or less often than on the baseline before it counts as drift: below that
a candidate that is worth shipping differs, too. The usual alarm of a population stability index, 0.2, asks for more."""


BETS = (1.1, 1.3, 1.6, 2.5, 5.0)
"""Ratios beyond what is tolerated that the test bets on: a drift is seldom tenfold."""


def log_evidence(new: Sequence[int], baseline: Sequence[int], share: float, tolerated: float = TOLERATED) -> float:
    """Return the natural logarithm of the evidence that the scores drifted.

    Args:
        new: Scores of the new side in each range, `(n_ranges,)`.
        baseline: The baseline's, `(n_ranges,)`.
        share: Probability that a request went to the new side.
        tolerated: Ratio of shares in a range that is no drift yet, at least 1.

    Raises:
        InvalidError: The ranges differ, or there is none.
    """
    if not new or len(new) != len(baseline):
        raise InvalidError(f"scores in {len(new)} ranges cannot be compared with scores in {len(baseline)}")
    test = Ratio(margin=tolerated, against=BETS)
    # Any event may be tested: a score in one range, or in the lowest or highest few of them.
    places = range(1, len(new))
    parts = [*((n, n + 1) for n in range(len(new))), *((0, n) for n in places), *((n, len(new)) for n in places)]
    bets = []
    for first, last in parts:
        mine, theirs = sum(new[first:last]), sum(baseline[first:last])
        bets.append(test.log_evidence((Counts(mine, theirs, share),)))
        bets.append(test.log_evidence((Counts(theirs, mine, 1 - share),)))
    return float(np.logaddexp.reduce(np.asarray(bets)) - np.log(len(bets)))
