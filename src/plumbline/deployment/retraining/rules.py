"""Retraining rules as they are declared, and what is observed of a model in production."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from plumbline.deployment.core.errors import InvalidError

Kind = Literal["performance", "drift", "volume", "age"]
Side = Literal["above", "below"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One reason to train again.

    Args:
        name: For people and for the log.
        kind: `performance`: a measure on mature labels; `drift`: a distance between training and now; `volume`: new
            labelled rows since the training; `age`: seconds since it.
        measure: Name among the observation's measures; for `volume` and `age` it is given.
        side: On which side of `enter` there is a reason.
        enter: Value at which the rule begins to hold.
        leave: Value at which it ceases to: on the other side of `enter`, so that noise around one value is one event.
        hold_s: How long it must hold without a break before it counts, in seconds.
    """

    name: str
    kind: Kind
    measure: str
    side: Side
    enter: float
    leave: float
    hold_s: float = 0.0

    def __post_init__(self) -> None:
        if (self.leave > self.enter) if self.side == "above" else (self.leave < self.enter):
            raise InvalidError(
                f"rule '{self.name}' begins {self.side} {self.enter:g} and would end at {self.leave:g}, beyond it: "
                "`leave` lies on the calm side of `enter`",
                rule=self.name,
            )
        if self.hold_s < 0:
            raise InvalidError(f"rule '{self.name}': hold_s is a time in seconds, not {self.hold_s:g}", rule=self.name)

    def holds(self, value: float, *, before: bool) -> bool:
        """Return whether the rule holds at a value, given whether it held before."""
        limit = self.leave if before else self.enter
        return value > limit if self.side == "above" else value < limit


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules of a model, and what keeps them from thrashing.

    Args:
        model: The model's name.
        rules: In the order in which they are told.
        cool_down_s: Least time between the starts of two trainings, in seconds.
        new_labels: Mature labelled rows that must be new since the last training: with fewer, the same model comes out.
        label_delay_s: Age at which a label is mature: performance is measured on older rows only.
        budget_runs: Trainings that may start within `budget_s`, at least 1.
        budget_s: Length of that window in seconds.
    """

    model: str
    rules: tuple[Rule, ...]
    cool_down_s: float = 86_400.0
    new_labels: int = 1_000
    label_delay_s: float = 0.0
    budget_runs: int = 4
    budget_s: float = 7 * 86_400.0

    def __post_init__(self) -> None:
        names = [rule.name for rule in self.rules]
        if not names or len(set(names)) < len(names):
            raise InvalidError(f"the rules of '{self.model}' are {names}: expected one at least, each name once")
        if self.budget_runs < 1:
            raise InvalidError(f"budget_runs of '{self.model}' is {self.budget_runs}: with it nothing is ever trained")
        for name in ("cool_down_s", "new_labels", "label_delay_s", "budget_s"):
            if getattr(self, name) < 0:
                raise InvalidError(f"{name} of '{self.model}' must not be negative, but is {getattr(self, name):g}")


@dataclass(frozen=True, slots=True)
class Observation:
    """What is known of a model at one moment.

    Args:
        at: Unix time in seconds.
        measures: Values by name: `roc_auc`, `psi.age`; only those that could be measured.
        labels: Mature labelled rows since the training of the version that serves.
        trained_at: When that version was trained, Unix time.
        bugs: Signs that something is broken rather than changed, each a sentence: a feature that ceased to come,
            answers that are not finite, training and serving that compute a feature differently, a release an hour ago.
        unknown: Measures that would show a fault and could not be had: who does not know does not train.
    """

    at: float
    measures: dict[str, float]
    labels: int
    trained_at: float
    bugs: tuple[str, ...] = field(default=())
    unknown: tuple[str, ...] = field(default=())

    def value(self, rule: Rule) -> float | None:
        """Return what a rule looks at, or None when it was not measured (NaN is no measurement)."""
        if rule.kind == "age":
            return self.at - self.trained_at
        if rule.kind == "volume":
            return float(self.labels)
        value = self.measures.get(rule.measure)
        return value if value is not None and math.isfinite(value) else None
