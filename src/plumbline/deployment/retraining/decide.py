"""The decision as a pure function: state and observation in, state and decision out."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace

from plumbline.deployment.core.durations import told
from plumbline.deployment.retraining.rules import Observation, Rule, Rules


class Act(enum.StrEnum):
    """What to do."""

    REST = "rest"
    WAIT = "wait"
    INVESTIGATE = "investigate"
    TRAIN = "train"


@dataclass(frozen=True, slots=True)
class State:
    """What has to be remembered between two looks.

    Args:
        since: Since when each rule holds, Unix time by name; rules that do not hold are not in it.
        started: When trainings were started, Unix time, oldest first; only those within the budget's window.
        seen_at: Time of the last observation.
    """

    since: dict[str, float] = field(default_factory=dict)
    started: tuple[float, ...] = ()
    seen_at: float = float("-inf")


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do, and why in words.

    Args:
        act: Train, wait (a reason is there, but something forbids it), investigate (it looks like a bug), or rest.
        sentence: For people and for the log.
        rules: Names of the rules that hold long enough.
    """

    act: Act
    sentence: str
    rules: tuple[str, ...] = ()


def decide(rules: Rules, state: State, seen: Observation) -> tuple[State, Decision]:
    """Return what to remember and what to do.

    An observation that is older than the last one (a clock that went back) changes nothing and decides nothing.
    """
    if seen.at < state.seen_at:
        back = state.seen_at - seen.at
        return state, Decision(
            Act.WAIT, f"The clock went back by {back:,.0f} s; nothing is decided until it has caught up."
        )
    since = _holding(rules, state, seen)
    started = tuple(at for at in state.started if seen.at - at < max(rules.budget_s, rules.cool_down_s))
    after = State(since, started, seen.at)
    due = [rule for rule in rules.rules if rule.name in since and seen.at - since[rule.name] >= rule.hold_s]
    if not due:
        return after, Decision(Act.REST, _resting(rules, since, seen))
    names, why = tuple(rule.name for rule in due), "; ".join(_said(rule, seen) for rule in due)
    if seen.bugs:
        sentence = f"{why}. But {seen.bugs[0]}: a model trained on that learns the fault. Mend it, or roll back, first."
        return after, Decision(Act.INVESTIGATE, sentence, names)
    if hindrance := _hindrance(rules, after, seen):
        return after, Decision(Act.WAIT, f"{why}; {hindrance}", names)
    return replace(after, started=(*started, seen.at)), Decision(Act.TRAIN, f"{why}.", names)


def _holding(rules: Rules, state: State, seen: Observation) -> dict[str, float]:
    since = {}
    for rule in rules.rules:
        value, before = seen.value(rule), state.since.get(rule.name)
        if value is None:  # not measured: neither begun nor ended
            if before is not None:
                since[rule.name] = before
        elif rule.holds(value, before=before is not None):
            since[rule.name] = seen.at if before is None else before
    return since


def _hindrance(rules: Rules, state: State, seen: Observation) -> str | None:
    if seen.unknown:
        return f"but {', '.join(seen.unknown)} was not measured, and tells a fault from a change: none before it is."
    if state.started and (left := rules.cool_down_s - (seen.at - state.started[-1])) > 0:
        return f"but the last training began {told(seen.at - state.started[-1])} ago: none for another {told(left)}."
    window = [at for at in state.started if seen.at - at < rules.budget_s]
    if len(window) >= rules.budget_runs:
        free = rules.budget_s - (seen.at - window[-rules.budget_runs])
        most = f"{len(window)} trainings within {told(rules.budget_s)}"
        return f"but {most} are all there may be: the next in {told(free)}."
    if seen.labels < rules.new_labels:
        return f"but only {seen.labels:,} of {rules.new_labels:,} new labels are there: the same model would come out."
    return None


def _said(rule: Rule, seen: Observation) -> str:
    value = seen.value(rule)
    if rule.kind == "age" and value is not None:
        return f"{rule.name}: the model is {told(value)} old (limit {told(rule.enter)})"
    shown = "not measured now" if value is None else f"{value:.4g}"
    return f"{rule.name}: {rule.measure or rule.kind} is {shown} ({rule.side} {rule.enter:.4g})"


def _resting(rules: Rules, since: dict[str, float], seen: Observation) -> str:
    young = [rule for rule in rules.rules if rule.name in since]
    if young:
        held = seen.at - since[young[0].name]
        return f"{_said(young[0], seen)}, for {told(held)} of the {told(young[0].hold_s)} that count."
    blind = [rule.name for rule in rules.rules if seen.value(rule) is None]
    if blind:
        return f"No rule holds; not measured: {', '.join(blind)}."
    return "No rule holds."
