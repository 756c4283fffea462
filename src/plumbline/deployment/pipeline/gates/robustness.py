"""Gate `robustness`: odd rows that the contract allows get answers that the contract promises.

Noise moves the answer a little, not a lot; what may be missing, bounds, far away numbers and unseen words give finite
answers within what the outputs promise; the order of columns means nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field

from plumbline.deployment.core.errors import InvalidError
from plumbline.deployment.core.gates import Side, Situation
from plumbline.deployment.core.model import Arrays
from plumbline.deployment.core.signature import Output
from plumbline.deployment.core.verdicts import Outcome, Verdict
from plumbline.deployment.pipeline.closed import CLOSED, Count, Positive, settings
from plumbline.deployment.pipeline.gates import disturbances
from plumbline.deployment.pipeline.gates.callers import rows_of
from plumbline.deployment.pipeline.gates.rows import Rows, rows_to_try


@dataclass(frozen=True, slots=True)
class RobustnessSettings:
    """Settings of the gate `robustness`.

    Args:
        rows: So many rows are disturbed at most.
        least: With fewer rows the effect of noise is not judged.
        noise: Standard deviation of the noise, in standard deviations of the feature.
        change: By how much 95 of 100 answers may move under it, in spreads of the output (the promised range, otherwise
            that of the middle 90 of 100 answers).
        far: How far away the extreme values lie, in standard deviations of the feature.
        refuse: Whether the model may refuse extreme values with an error instead of an answer.
    """

    __pydantic_config__: ClassVar[ConfigDict] = CLOSED
    rows: Count = 200
    least: Count = 20
    noise: Positive = 0.01
    change: Annotated[float, Field(strict=True, gt=0, le=1)] = 0.1
    far: Positive = 1e6
    refuse: bool = True


def robustness(situation: Situation) -> Iterator[Verdict]:
    """Disturb rows in five ways; each way has its verdict, if the contract leaves room for it."""
    chosen = settings(RobustnessSettings, situation.settings, "gate robustness")
    side = situation.candidate
    signature = side.manifest.signature
    rows = rows_to_try(situation, side, chosen.rows)
    if rows_of(rows) == 0:
        yield Verdict("robustness", Outcome.INCONCLUSIVE, "there is no row to disturb", {"rows": 0})
        return
    rng = np.random.default_rng(situation.seed)
    before = side.model.predict(rows)
    if found := _broken(side, before):
        sentence = f"even undisturbed rows get a wrong answer: {found}"
        yield Verdict("robustness", Outcome.FAIL, sentence, {"rows": rows_of(rows)})
        return
    noisy = disturbances.noisy(signature, rows, chosen.noise, rng)
    if noisy is not None:
        yield _noise(side, before, noisy, chosen)
    few = {name: values[:32] for name, values in rows.items()}
    probes = (
        ("missing", disturbances.without(signature, few), False),
        ("boundary", disturbances.at_bounds(signature, few), False),
        ("extreme", disturbances.far_out(signature, few, chosen.far), chosen.refuse),
    )
    for name, disturbed, refuse in probes:
        yield from _probed(f"robustness/{name}", side, disturbed, refuse=refuse)
    yield _columns(side, rows, before, disturbances.reordered(rows, rng))


def _noise(side: Side, before: Arrays, noisy: Rows, chosen: RobustnessSettings) -> Verdict:
    gate, rows = "robustness/noise", rows_of(noisy)
    after = side.model.predict(noisy)
    measured: dict[str, Any] = {"rows": rows, "noise": chosen.noise, "limit": chosen.change}
    if found := _broken(side, after):
        return Verdict(gate, Outcome.FAIL, f"noise gives a wrong answer: {found}", measured)
    if rows < chosen.least:
        sentence = f"only {rows} rows, at least {chosen.least} are needed to judge the effect of noise"
        return Verdict(gate, Outcome.INCONCLUSIVE, sentence, measured)
    moved = {
        output.name: _moved(output, before[output.name], after[output.name])
        for output in side.manifest.signature.outputs
    }
    name = max(moved, key=lambda one: moved[one])
    outcome = Outcome.PASS if moved[name] <= chosen.change else Outcome.FAIL
    sentence = (
        f"noise of {chosen.noise:g} standard deviations moves output '{name}' by up to {moved[name]:.2g} of its spread "
        f"in 95 of 100 rows (at most {chosen.change:g}, {rows} rows)"
    )
    return Verdict(gate, outcome, sentence, {**measured, "moved": moved})


def _moved(output: Output, before: NDArray[Any], after: NDArray[Any]) -> float:
    """Return by how much answers moved in 95 of 100 rows, in spreads; of labels the share that is another one."""
    if output.kind in ("string", "bool") or (output.classes is not None and output.kind == "int"):
        return float(np.mean(before.astype(str) != after.astype(str)))
    was, now = before.astype(np.float64), after.astype(np.float64)
    if output.minimum is not None and output.maximum is not None:
        spread = output.maximum - output.minimum
    else:
        spread = float(np.subtract(*np.quantile(was, [0.95, 0.05])))
    apart = np.abs(now - was).reshape(len(was), -1).max(axis=1)
    furthest = float(np.quantile(apart, 0.95))
    return furthest / spread if spread > 0 else (0.0 if furthest == 0 else float("inf"))


def _probed(gate: str, side: Side, disturbed: Iterable[tuple[str, Rows]], *, refuse: bool) -> Iterator[Verdict]:
    """Answer disturbed rows; nothing is said when the contract leaves no room for the disturbance."""
    tried = refused = 0
    wrong: dict[str, str] = {}
    for name, rows in disturbed:
        tried += 1
        try:
            found = _broken(side, side.model.predict(rows))
        except InvalidError as error:
            refused += 1
            found = "" if refuse else f"refused: {error.sentence}"
        if found:
            wrong[name] = found
    measured = {"tried": tried, "refused": refused, "wrong": wrong}
    if wrong:
        name, why = next(iter(wrong.items()))
        sentence = f"{len(wrong)} of {tried} disturbances give a wrong answer; '{name}': {why}"
        yield Verdict(gate, Outcome.FAIL, sentence, measured)
    elif tried:
        told = f", {refused} of them refused" if refused else ""
        sentence = f"all answers to {tried} disturbances are finite and as promised{told}"
        yield Verdict(gate, Outcome.PASS, sentence, measured)


def _columns(side: Side, rows: Rows, before: Arrays, orders: Iterable[Rows]) -> Verdict:
    tried = 0
    for other in orders:
        tried += 1
        after = side.model.predict(other)
        for name, values in before.items():
            if not np.array_equal(values, after[name], equal_nan=values.dtype.kind == "f"):
                sentence = f"output '{name}' depends on the order of the columns: inputs are read by place, not by name"
                return Verdict("robustness/columns", Outcome.FAIL, sentence, {"output": name})
    sentence = f"{tried} other orders of the columns give the same answers"
    return Verdict("robustness/columns", Outcome.PASS, sentence, {"orders": tried, "rows": rows_of(rows)})


def _broken(side: Side, answers: Arrays) -> str:
    """Return how answers break the contract's promise; empty when they do not."""
    for output in side.manifest.signature.outputs:
        values = answers.get(output.name)
        if values is None:
            return f"output '{output.name}' is missing"
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            odd = (~np.isfinite(values)).reshape(len(values), -1).any(axis=1)
            return f"output '{output.name}' is not finite in {int(odd.sum())} of {len(values)} rows"
        if found := _promised(output, values):
            return f"output '{output.name}' {found}"
    return ""


def _promised(output: Output, values: NDArray[Any]) -> str:
    if values.dtype.kind in "fiu" and values.size:
        low, high = float(values.min()), float(values.max())
        if output.minimum is not None and low < output.minimum:
            return f"falls to {low:g}, promised is {output.minimum:g} at least"
        if output.maximum is not None and high > output.maximum:
            return f"rises to {high:g}, promised is {output.maximum:g} at most"
    if output.kind != "float" and output.classes is not None:
        strange = set(np.unique(values.astype(str)).tolist()) - {str(one) for one in output.classes}
        if strange:
            return f"answers '{min(strange)}', which is none of its classes"
    return ""
