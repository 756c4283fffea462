"""Did each arm get the share it should? If not, the experiment says nothing: assignment or logging is broken.

Two answers: the chi-square test for one look, and evidence that stays valid when the check runs all day (Lindon and
Malek, 2022, "Anytime-valid inference for multinomial count data", a Dirichlet mixture around the planned shares).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc, gammaln

from plumbline.deployment.core.errors import InvalidError

LIMIT = 0.001
"""Below it an experiment is void: the limit that experimentation platforms use (Fabijan et al., KDD 2019)."""

CONCENTRATION = 1000.0
"""Of the Dirichlet mixture: how near the planned shares the alternatives lie; small deviations need many units."""


@dataclass(frozen=True, slots=True)
class Balance:
    """Whether the arms are as large as planned.

    Args:
        p: Of the chi-square test: right for a single look only.
        anytime_p: Never below `LIMIT` by chance in more than `LIMIT` of all experiments, however often one looks.
        expected: Units per arm as planned.
        observed: Units per arm as logged.
    """

    p: float
    anytime_p: float
    expected: tuple[float, ...]
    observed: tuple[int, ...]

    @property
    def broken(self) -> bool:
        """Whether the experiment is void."""
        return self.anytime_p < LIMIT

    @property
    def suspect(self) -> bool:
        """Whether a single look would void it: chance shows that to who looks often, yet nothing may be built on it."""
        return self.p < LIMIT and not self.broken


def balance(observed: Sequence[int], shares: Sequence[float]) -> Balance:
    """Compare units per arm with planned shares.

    Args:
        observed: Units per arm, each unit once.
        shares: Planned shares, in the same order; they add up to 1.

    Raises:
        InvalidError: Fewer than two arms, other lengths, or shares that do not add up.
    """
    if len(observed) != len(shares) or len(observed) < 2:
        raise InvalidError(
            f"{len(observed)} arms and {len(shares)} shares: expected one share for each of two or more arms"
        )
    if min(shares) <= 0 or abs(sum(shares) - 1) > 1e-9:
        raise InvalidError(f"shares must be above 0 and add up to 1; these add up to {sum(shares):g}")
    counts, plan = np.asarray(observed, dtype=float), np.asarray(shares)
    n = float(counts.sum())
    expected = plan * n
    p = float(chdtrc(len(counts) - 1, ((counts - expected) ** 2 / expected).sum())) if n else 1.0
    prior = CONCENTRATION * plan
    log_evidence = float(
        gammaln(prior.sum())
        - gammaln(prior.sum() + n)
        + (gammaln(prior + counts) - gammaln(prior)).sum()
        - (counts * np.log(plan)).sum()
    )
    anytime = float(min(1.0, np.exp(-log_evidence)))
    return Balance(p, anytime, tuple(float(one) for one in expected), tuple(int(one) for one in counts))
