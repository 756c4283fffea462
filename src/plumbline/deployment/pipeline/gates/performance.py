"""Gate `performance`: is the candidate at least about as good as production, and is that sure enough?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field

from plumbline.deployment.core.errors import InvalidError
from plumbline.deployment.core.gates import Evaluation, Side, Situation
from plumbline.deployment.core.signature import Output, Scalar
from plumbline.deployment.core.verdicts import Outcome, Verdict
from plumbline.deployment.pipeline.closed import CLOSED, Count, Name, Number, Positive, settings
from plumbline.deployment.pipeline.gates.callers import filled, missing
from plumbline.deployment.pipeline.gates.measures import (
    LOWER_IS_BETTER,
    NEEDS,
    Bounds,
    Compared,
    Floats,
    Metric,
    compare,
)


@dataclass(frozen=True, slots=True)
class PerformanceSettings:
    """Settings of the gate `performance`.

    Args:
        metric: What is measured: `roc_auc`, `average_precision`, `brier`, `log_loss` (of a probability), `accuracy`,
            `precision`, `recall`, `f1` (of a label), `mae`, `rmse`, `r2` (of a number).
        margin: By how much the candidate may be worse, in the metric's own unit, above 0.
        limit: Figure that the candidate must reach for sure, whatever production does; the only yardstick of a first
            deployment.
        alpha: Probability of error of each bound.
        rows: With fewer labelled rows nothing is concluded.
        per_class: With fewer rows of either class nothing is concluded, where there are two.
        output: Output to look at; needed where several could be meant.
        positive: Label of the positive class; the last of the output's classes, otherwise the largest label.
        repeats: Of the bootstrap (all metrics but `roc_auc`, which has DeLong's formula).
    """

    __pydantic_config__: ClassVar[ConfigDict] = CLOSED
    metric: Metric
    margin: Positive = 0.01
    limit: Number | None = None
    alpha: Annotated[float, Field(strict=True, gt=0, lt=0.5)] = 0.05
    rows: Count = 200
    per_class: Annotated[int, Field(strict=True, ge=2)] = 20
    output: Name | None = None
    positive: str | int | float | bool | None = None
    repeats: Annotated[int, Field(strict=True, ge=200, le=20_000)] = 1_000


def performance(situation: Situation) -> Iterator[Verdict]:
    """Measure both on the evaluation rows; the bounds of the difference decide."""
    chosen = settings(PerformanceSettings, situation.settings, "gate performance")
    if situation.evaluation is None or situation.evaluation.labels is None:
        yield _cannot("there are no labelled rows: name them in the pipeline's `evaluation`", {"rows": 0})
        return
    evaluation = _known(situation.evaluation)
    measured: dict[str, Any] = {"rows": len(evaluation.labels), "data": evaluation.digest, "metric": chosen.metric}
    if len(evaluation.labels) < chosen.rows:
        yield _cannot(f"only {len(evaluation.labels)} labelled rows, at least {chosen.rows} are needed", measured)
        return
    truth, new = _truth_and_answers(situation.candidate, evaluation, chosen)
    old = None if situation.production is None else _truth_and_answers(situation.production, evaluation, chosen)[1]
    if too_few := _too_few(truth, chosen):
        yield _cannot(too_few, measured)
        return
    finite = all(np.isfinite(side).all() for side in (new, old) if side is not None)
    if not finite:
        yield Verdict("performance", Outcome.FAIL, "some answers on the evaluation rows are not finite", measured)
        return
    found = compare(chosen.metric, truth, new, old, alpha=chosen.alpha, repeats=chosen.repeats, seed=situation.seed)
    yield from _verdicts(found, chosen, measured)


def _verdicts(found: Compared, chosen: PerformanceSettings, measured: dict[str, Any]) -> Iterator[Verdict]:
    measured |= {"candidate": found.candidate.value, "alpha": chosen.alpha}
    if found.better is None and chosen.limit is None:
        yield _cannot(
            f"{chosen.metric} is {found.candidate.value:.4g}, but there is no production to compare with: "
            "give the gate a `limit`",
            measured,
        )
    if found.better is not None:
        yield _against_production(found.better, found, chosen, measured)
    if chosen.limit is not None:
        yield _against_limit(found.candidate, chosen.limit, chosen, measured)


def _against_production(
    better: Bounds, found: Compared, chosen: PerformanceSettings, measured: dict[str, Any]
) -> Verdict:
    outcome = _outcome(better, -chosen.margin)
    sentence = (
        f"{chosen.metric} {found.candidate.value:.4g} against {found.production:.4g} in production: better by "
        f"{better.value:+.2g}, for sure between {better.low:+.2g} and {better.high:+.2g} on {measured['rows']} rows "
        f"(more than {-chosen.margin:+.2g} is needed)"
    )
    figures = {"production": found.production, "better": better.value, "low": better.low, "high": better.high}
    return Verdict("performance", outcome, sentence, {**measured, **figures, "margin": chosen.margin})


def _against_limit(figure: Bounds, limit: float, chosen: PerformanceSettings, measured: dict[str, Any]) -> Verdict:
    lower = chosen.metric in LOWER_IS_BETTER
    outcome = _outcome(Bounds(-figure.value, -figure.high, -figure.low), -limit) if lower else _outcome(figure, limit)
    sentence = (
        f"{chosen.metric} {figure.value:.4g}, for sure between {figure.low:.4g} and {figure.high:.4g} on "
        f"{measured['rows']} rows ({'less' if lower else 'more'} than {limit:g} is needed)"
    )
    return Verdict(
        "performance/limit", outcome, sentence, {**measured, "low": figure.low, "high": figure.high, "limit": limit}
    )


def _outcome(figure: Bounds, needed: float) -> Outcome:
    if figure.low > needed:
        return Outcome.PASS
    return Outcome.FAIL if figure.high < needed else Outcome.INCONCLUSIVE


def _cannot(sentence: str, measured: dict[str, Any]) -> Verdict:
    return Verdict("performance", Outcome.INCONCLUSIVE, sentence, measured)


def _known(evaluation: Evaluation) -> Evaluation:
    """Return the rows whose label is known."""
    labels = np.asarray(evaluation.labels)
    kept = ~missing(labels)
    inputs = {name: values[kept] for name, values in evaluation.inputs.items()}
    return Evaluation(inputs, labels[kept], evaluation.digest)


def _too_few(truth: Floats, chosen: PerformanceSettings) -> str:
    if NEEDS[chosen.metric] == "value" or chosen.metric == "accuracy":
        return ""
    least = int(min(truth.sum(), len(truth) - truth.sum()))
    if least >= chosen.per_class:
        return ""
    return f"only {least} rows of one of the two classes, at least {chosen.per_class} are needed"


def _truth_and_answers(side: Side, evaluation: Evaluation, chosen: PerformanceSettings) -> tuple[Floats, Floats]:
    output = _output(side, chosen)
    answers = side.model.predict(filled(side.manifest.signature, evaluation.inputs))[output.name]
    labels = np.asarray(evaluation.labels)
    if NEEDS[chosen.metric] == "value":
        return labels.astype(np.float64), np.ravel(answers).astype(np.float64)
    positive = _positive(output, labels, chosen)
    if NEEDS[chosen.metric] == "score":
        return _is(labels, positive), _scores(output, answers, positive)
    called = _labels(output, answers, positive, labels)
    if chosen.metric == "accuracy":
        return np.ones(len(labels)), _same(called, labels)
    return _is(labels, positive), _is(called, positive)


def _output(side: Side, chosen: PerformanceSettings) -> Output:
    outputs = side.manifest.signature.outputs
    if chosen.output is not None:
        named = side.manifest.signature.output(chosen.output)
        if named is None:
            known = ", ".join(one.name for one in outputs)
            raise InvalidError(f"gate performance: there is no output '{chosen.output}'; known are {known}")
        return named
    wanted = [one for one in outputs if (one.kind == "float") == (NEEDS[chosen.metric] != "label")] or list(outputs)
    if len(wanted) != 1:
        known = ", ".join(one.name for one in wanted)
        raise InvalidError(f"gate performance: several outputs could be meant ({known}); name one in `output`")
    return wanted[0]


def _positive(output: Output, labels: NDArray[Any], chosen: PerformanceSettings) -> Scalar:
    if chosen.positive is not None:
        return chosen.positive
    if output.classes:
        return output.classes[-1]
    largest: Scalar = max(labels.tolist())
    return largest


def _scores(output: Output, answers: NDArray[Any], positive: Scalar) -> Floats:
    if answers.ndim == 1 or answers.shape[1:] == (1,):
        return np.ravel(answers).astype(np.float64)
    classes = [str(one) for one in output.classes or ()]
    if str(positive) not in classes:
        raise InvalidError(f"gate performance: output '{output.name}' names no class '{positive}'")
    return np.asarray(answers[:, classes.index(str(positive))], dtype=np.float64)


def _labels(output: Output, answers: NDArray[Any], positive: Scalar, labels: NDArray[Any]) -> NDArray[Any]:
    if output.kind != "float":
        return np.ravel(answers)
    if answers.ndim == 2 and output.classes and answers.shape[1] == len(output.classes):
        named: NDArray[Any] = np.asarray(output.classes)[np.argmax(answers, axis=1)]
        return named
    others = [one for one in np.unique(labels).tolist() if str(one) != str(positive)]
    if len(others) != 1:
        raise InvalidError(f"gate performance: output '{output.name}' is one score, but the labels are no two classes")
    return np.where(np.ravel(answers) >= 0.5, positive, others[0])


def _is(labels: NDArray[Any], value: Scalar) -> Floats:
    return _same(labels, np.full(len(labels), value))


def _same(one: NDArray[Any], other: NDArray[Any]) -> Floats:
    if one.dtype.kind in "fiub" and other.dtype.kind in "fiub":
        return np.asarray(one.astype(np.float64) == other.astype(np.float64), dtype=np.float64)
    return np.asarray(one.astype(str) == other.astype(str), dtype=np.float64)
