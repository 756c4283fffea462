"""Gate `latency`: is the candidate about as quick as production? Both are called in turn, in one run, on equal rows.

A clock on a shared machine says little on its own; the ratio of two models that are measured side by side says more.
Calls come in blocks; blocks are drawn again with replacement, both models' together, for bounds of the ratio.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field

from plumbline.deployment.core.gates import Side, Situation
from plumbline.deployment.core.verdicts import Outcome, Verdict
from plumbline.deployment.pipeline.closed import CLOSED, Count, Positive, Seconds, settings
from plumbline.deployment.pipeline.gates.callers import rows_of
from plumbline.deployment.pipeline.gates.rows import Rows, rows_to_try

BLOCKS = 20
"""A pause of the machine spoils one block, not the result."""

LEAST_BLOCKS = 8
REPEATS = 400
_WARM_UP = 5


@dataclass(frozen=True, slots=True)
class LatencySettings:
    """Settings of the gate `latency`.

    Args:
        p50: Largest ratio of the medians, candidate to production.
        p99: Largest ratio of the 99th percentiles.
        negligible_s: Where production is quicker than this, it counts as this: nobody waits for microseconds.
        at_most_s: Largest 99th percentile of the candidate, in seconds; the only yardstick of a first deployment.
        rows: Per call.
        calls: Of each model.
        budget_s: The measurement ends after this; with too few calls by then it is inconclusive.
        alpha: Probability of error of each bound.
    """

    __pydantic_config__: ClassVar[ConfigDict] = CLOSED
    p50: Positive = 1.5
    p99: Positive = 2.0
    negligible_s: Seconds = 0.001
    at_most_s: Seconds | None = None
    rows: Count = 1
    calls: Annotated[int, Field(strict=True, ge=BLOCKS * 5)] = 400
    budget_s: Seconds = 2.0
    alpha: Annotated[float, Field(strict=True, gt=0, lt=0.5)] = 0.05


@dataclass(frozen=True, slots=True)
class Latency:
    """The gate.

    Args:
        clock: In seconds; a test passes its own.
    """

    clock: Callable[[], float] = time.perf_counter

    def __call__(self, situation: Situation) -> Iterator[Verdict]:
        """Call both in turn and compare."""
        chosen = settings(LatencySettings, situation.settings, "gate latency")
        sides = [one for one in (situation.candidate, situation.production) if one is not None]
        times = self._times(sides, [rows_to_try(situation, side, 64) for side in sides], chosen)
        blocks = times.shape[1]
        if blocks < LEAST_BLOCKS:
            sentence = f"only {blocks} of {BLOCKS} blocks of calls were done within {chosen.budget_s:g} s"
            yield Verdict("latency", Outcome.INCONCLUSIVE, sentence, {"blocks": blocks})
            return
        drawn = np.random.default_rng(situation.seed).integers(0, blocks, (REPEATS, blocks))
        if situation.production is not None:
            for name, quantile, limit in (("p50", 0.5, chosen.p50), ("p99", 0.99, chosen.p99)):
                yield _ratio(name, times, drawn, quantile, limit, chosen)
        if chosen.at_most_s is not None:
            yield _absolute(times[0], drawn, chosen.at_most_s, chosen.alpha)
        elif situation.production is None:
            p99 = float(np.quantile(times[0], 0.99))
            sentence = f"p99 is {p99 * 1e3:.3g} ms, but there is no production to compare with: give the gate `at_most`"
            yield Verdict("latency", Outcome.INCONCLUSIVE, sentence, {"p99_s": p99})

    def _times(self, sides: list[Side], rows: list[Rows], chosen: LatencySettings) -> NDArray[np.float64]:
        """Return seconds per call, `(n_sides, n_blocks, n_calls)`; who comes first changes from call to call."""
        batches = [_batches(one, chosen.rows) for one in rows]
        for side, mine in zip(sides, batches, strict=True):
            for number in range(_WARM_UP):
                side.model.predict(mine[number % len(mine)])
        calls = chosen.calls // BLOCKS
        blocks: list[NDArray[np.float64]] = []
        started = self.clock()
        for _ in range(BLOCKS):
            block = np.empty((len(sides), calls))
            for call in range(calls):
                order = range(len(sides)) if call % 2 else reversed(range(len(sides)))
                for number in order:
                    batch = batches[number][call % len(batches[number])]
                    before = self.clock()
                    sides[number].model.predict(batch)
                    block[number, call] = self.clock() - before
            blocks.append(block)
            if self.clock() - started > chosen.budget_s:
                break
        return np.stack(blocks, axis=1)


def _batches(rows: Rows, size: int) -> list[Rows]:
    count = rows_of(rows)
    starts = range(0, count, size) if count > size else range(1)
    picked = [np.arange(start, start + size) % max(count, 1) for start in starts]
    return [{name: values[which] for name, values in rows.items()} for which in picked]


def _ratio(
    name: str,
    times: NDArray[np.float64],
    drawn: NDArray[np.int64],
    quantile: float,
    limit: float,
    chosen: LatencySettings,
) -> Verdict:
    new, old = (_quantiles(side, drawn, quantile) for side in times)
    ratio = new / np.maximum(old, chosen.negligible_s)
    low, high = np.quantile(ratio, [chosen.alpha, 1 - chosen.alpha])
    mine, theirs = (float(np.quantile(side, quantile)) for side in times)
    counted = max(theirs, chosen.negligible_s)
    raised = f", counted as {counted * 1e3:g} ms" if counted > theirs else ""
    sentence = (
        f"{name} {mine * 1e3:.3g} ms against {theirs * 1e3:.3g} ms in production{raised}: {mine / counted:.2f} times, "
        f"for sure between {low:.2f} and {high:.2f} (at most {limit:g}, {times[0].size} calls of each)"
    )
    figures: dict[str, Any] = {"candidate_s": mine, "production_s": theirs, "low": float(low), "high": float(high)}
    return Verdict(f"latency/{name}", _outcome(low, high, limit), sentence, {**figures, "limit": limit})


def _absolute(times: NDArray[np.float64], drawn: NDArray[np.int64], limit: float, alpha: float) -> Verdict:
    low, high = np.quantile(_quantiles(times, drawn, 0.99), [alpha, 1 - alpha])
    p99 = float(np.quantile(times, 0.99))
    sentence = (
        f"p99 {p99 * 1e3:.3g} ms, for sure between {low * 1e3:.3g} and {high * 1e3:.3g} ms "
        f"(at most {limit * 1e3:g} ms, {times.size} calls)"
    )
    figures = {"p99_s": p99, "low_s": float(low), "high_s": float(high), "limit_s": limit}
    return Verdict("latency/at_most", _outcome(low, high, limit), sentence, figures)


def _quantiles(times: NDArray[np.float64], drawn: NDArray[np.int64], quantile: float) -> NDArray[np.float64]:
    """Return the quantile in each sample of blocks, `(n_repeats,)`."""
    samples = times[drawn].reshape(len(drawn), -1)
    return np.asarray(np.quantile(samples, quantile, axis=1), dtype=np.float64)


def _outcome(low: float, high: float, limit: float) -> Outcome:
    if high <= limit:
        return Outcome.PASS
    return Outcome.FAIL if low > limit else Outcome.INCONCLUSIVE
