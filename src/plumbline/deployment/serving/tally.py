"""What one version answered, counted: outcomes, time, scores, missing values.

The hot path only appends; scores and missing values are counted over many requests at once.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from plumbline.deployment.core.model import Arrays, Table
from plumbline.deployment.core.signature import Output, Signature

LATENCY_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SCORE_BUCKETS = 20
CLASSES = 20  # of an output; beyond, only the largest value per row is counted
KEPT_REQUESTS, KEPT_ROWS = 256, 4096  # before they are counted


class Scores:
    """Histogram of one output, or of one class of it.

    Args:
        output: Its name.
        label: The class, `max` for the largest of many, empty for a plain number.
        bounds: Upper bounds, ascending.
    """

    def __init__(self, output: str, label: str, bounds: NDArray[np.float64]) -> None:
        self.output = output
        self.label = label
        self.bounds = bounds
        self.counts = np.zeros(len(bounds) + 1, dtype=np.int64)
        self.total = 0.0

    def note(self, values: NDArray[np.generic]) -> None:
        """Count values; a bound counts as below itself."""
        numbers = values.astype(np.float64)
        self.counts += np.bincount(np.searchsorted(self.bounds, numbers), minlength=len(self.counts))
        self.total += float(numbers.sum())

    def cumulative(self) -> list[tuple[str, float]]:
        """Return each upper bound as text, the last is `+Inf`, and how many values were not above it."""
        names = [*(f"{bound:.6g}" for bound in self.bounds), "+Inf"]
        return list(zip(names, (float(one) for one in np.cumsum(self.counts)), strict=True))


class Tally:
    """Counts of one version.

    Args:
        signature: Its contract.
        golden: Its golden answers: scores without a declared range are spread over theirs.
    """

    def __init__(self, signature: Signature, golden: Arrays) -> None:
        self.outcomes: dict[str, int] = {}
        self.latency = [0] * (len(LATENCY_S) + 1)
        self.latency_s = 0.0
        self.rows = 0
        self.labels: dict[tuple[str, str], int] = {}
        self._missing = {one.name: 0 for one in signature.inputs}
        self._scores = {
            one.name: _scores(one, golden.get(one.name)) for one in signature.outputs if one.kind == "float"
        }
        self._labelled = [
            one.name for one in signature.outputs if one.kind != "float" and one.classes and not one.shape
        ]
        self._kept: list[tuple[Arrays, Arrays]] = []
        self._kept_rows = 0

    def refused(self, outcome: str) -> None:
        """Count a request that got no prediction."""
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1

    def answered(self, inputs: Arrays, outputs: Arrays, rows: int, took_s: float) -> None:
        """Count a request that got its prediction."""
        self.outcomes["ok"] = self.outcomes.get("ok", 0) + 1
        self.latency[bisect_left(LATENCY_S, took_s)] += 1
        self.latency_s += took_s
        self.rows += rows
        self._kept.append((inputs, outputs))
        self._kept_rows += rows
        if len(self._kept) >= KEPT_REQUESTS or self._kept_rows >= KEPT_ROWS:
            self.fold()

    def missing(self) -> dict[str, int]:
        """Return how many values of each feature were missing."""
        self.fold()
        return dict(self._missing)

    def scores(self) -> Iterator[Scores]:
        """Give the histograms."""
        self.fold()
        for many in self._scores.values():
            yield from many

    def fold(self) -> None:
        """Count what was kept."""
        kept, self._kept, self._kept_rows = self._kept, [], 0
        tables: dict[tuple[str, ...], list[NDArray[np.float64]]] = {}
        for inputs, _ in kept:
            if isinstance(inputs, Table):
                tables.setdefault(inputs.columns, []).append(inputs.matrix)
                continue
            for name, array in inputs.items():
                self._missing[name] += _gone(array)
        for columns, matrices in tables.items():
            gone = np.isnan(np.concatenate(matrices)).sum(axis=0)
            for name, count in zip(columns, gone, strict=True):
                self._missing[name] += int(count)
        self._fold_outputs(kept)

    def _fold_outputs(self, kept: list[tuple[Arrays, Arrays]]) -> None:
        for name, many in self._scores.items():
            arrays = [outputs[name].reshape(len(outputs[name]), -1) for _, outputs in kept]
            if arrays and len({array.shape[1] for array in arrays}) == 1:
                _count(many, np.concatenate(arrays))
        for name in self._labelled:
            for _, outputs in kept:
                for value in outputs[name].tolist():
                    at = (name, str(value)[:80])
                    self.labels[at] = self.labels.get(at, 0) + 1


def _gone(array: NDArray[np.generic]) -> int:
    if array.dtype.kind == "f":
        return int(np.isnan(array.reshape(len(array), -1)).any(axis=1).sum())
    return sum(one == "" for one in array.ravel()) if array.dtype.kind == "O" else 0


def _scores(output: Output, golden: NDArray[np.generic] | None) -> list[Scores]:
    low, high = output.minimum, output.maximum
    if low is None or high is None:
        if golden is not None and golden.size:
            values = golden.astype(np.float64)
            spread = float(values.max() - values.min()) or max(abs(float(values.max())), 1.0)
            low, high = float(values.min()) - spread / 2, float(values.max()) + spread / 2
        else:
            low, high = 0.0, 1.0
    bounds = np.linspace(low, high, SCORE_BUCKETS + 1)[1:]
    if not output.shape:
        return [Scores(output.name, "", bounds)]
    if output.classes and len(output.classes) == 2:
        return [Scores(output.name, str(output.classes[1]), bounds)]
    if output.classes and len(output.classes) <= CLASSES:
        return [Scores(output.name, str(one), bounds) for one in output.classes]
    return [Scores(output.name, "max", bounds)]


def _count(many: list[Scores], values: NDArray[np.generic]) -> None:
    width = values.shape[1]
    if len(many) == width:
        for at, one in enumerate(many):
            one.note(values[:, at])
    elif many[0].label == "max":
        many[0].note(values.max(axis=1))
    else:  # two classes: the second
        many[0].note(values[:, -1])
