"""Figures of relevance: success at one, mean reciprocal rank, false answers, and the noise of their differences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from plumbline_search.judged import Judged

_RESAMPLES = 10_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one system said to one judged query.

    Args:
        judged: The query.
        ranked: Ids of pages, best first, as if an answer had to be given.
        answered: Whether it gave an answer.
    """

    judged: Judged
    ranked: tuple[str, ...]
    answered: bool

    @property
    def rank(self) -> int | None:
        """Rank of the wanted page from 1; None if it is not there, or nothing is wanted."""
        if self.judged.want is None or self.judged.want not in self.ranked:
            return None
        return self.ranked.index(self.judged.want) + 1

    @property
    def first(self) -> bool:
        """Whether the wanted page stands first, as if an answer had to be given."""
        return self.rank == 1

    @property
    def success(self) -> bool:
        """Whether it answered, with the wanted page first."""
        return self.answered and self.first


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures over some outcomes.

    Args:
        n: Queries that have a guide.
        n_none: Queries that have none.
        success_at_1: Share of the former with the right page first, as if an answer had to be given.
        mrr: Mean reciprocal rank of the right page (0 when it is not among the results), likewise.
        answered_right: Share that was answered, with the right page first.
        false_answers: Share of the queries without a guide that were answered all the same.
    """

    n: int
    n_none: int
    success_at_1: float
    mrr: float
    answered_right: float
    false_answers: float


def figures(outcomes: Iterable[Outcome]) -> Figures:
    """Count over outcomes; a share of nothing is 0."""
    every = list(outcomes)
    real = [one for one in every if one.judged.want is not None]
    none = [one for one in every if one.judged.want is None]
    return Figures(
        n=len(real),
        n_none=len(none),
        success_at_1=_mean([one.first for one in real]),
        mrr=_mean([1 / one.rank if one.rank else 0.0 for one in real]),
        answered_right=_mean([one.success for one in real]),
        false_answers=_mean([one.answered for one in none]),
    )


def paired(ours: Sequence[bool], theirs: Sequence[bool], seed: int = 7) -> tuple[float, float, float]:
    """Return the mean difference of two systems over the same queries, with its 95 % interval (paired bootstrap).

    Args:
        ours: Outcome of each query, shape (n,).
        theirs: The same queries, shape (n,).
        seed: Of the resampling, so that a run repeats.
    """
    difference = np.asarray(ours, dtype=np.float64) - np.asarray(theirs, dtype=np.float64)
    drawn = np.random.default_rng(seed).integers(0, len(difference), (_RESAMPLES, len(difference)))
    low, high = np.percentile(difference[drawn].mean(axis=1), [2.5, 97.5])
    return float(difference.mean()), float(low), float(high)


def fell(before: Sequence[bool], now: Sequence[bool]) -> bool:
    """Say whether successes fell by more than noise: lost minus won exceeds 1.96 standard errors of paired outcomes."""
    lost = sum(old and not new for old, new in zip(before, now, strict=True))
    won = sum(new and not old for old, new in zip(before, now, strict=True))
    return lost - won > 1.96 * float(np.sqrt(lost + won))


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else 0.0
