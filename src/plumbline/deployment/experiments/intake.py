"""Lines from elsewhere (a service, an export) turned into entries of a log, each checked against the plan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches

import msgspec

from plumbline.deployment.core.errors import InvalidError
from plumbline.deployment.experiments.assignment import assign
from plumbline.deployment.experiments.log import Entry, Exposure, Outcome
from plumbline.deployment.experiments.plan import Plan


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    unit: str
    at: float | None = None
    arm: str | None = None
    dimensions: dict[str, str] = {}
    metric: str | None = None
    value: float = 1.0
    kind: str | None = None


def entries(plan: Plan, lines: Iterable[bytes], now: float, where: str) -> Iterator[Entry]:
    """Yield entries: `{"unit"}` is an exposure, `{"unit", "metric", "value"}` an outcome; `at` is now by default.

    Args:
        plan: The experiment; it says which arm a unit is in where the line does not.
        lines: JSON, one object a line.
        now: Unix time.
        where: What the lines come from, for errors.

    Raises:
        InvalidError: A line is no such object, or names an arm or metric that the plan does not have.
    """
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield _entry(plan, msgspec.json.decode(line, type=_Line), now)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise InvalidError(f"{where}:{number}: {error}", line=number) from error
            except InvalidError as error:
                raise InvalidError(f"{where}:{number}: {error.sentence}", line=number) from error


def exposure(plan: Plan, unit: str, at: float, dimensions: dict[str, str] | None = None) -> Exposure:
    """Return the exposure of a unit to its arm."""
    return Exposure(unit, assign(plan, unit).name, at, dimensions or {})


def _entry(plan: Plan, line: _Line, now: float) -> Entry:
    at = now if line.at is None else line.at
    if line.metric is not None:
        _among(line.metric, {name for one in plan.metrics for name in (one.name, one.before) if name}, "metric")
        return Outcome(line.unit, line.metric, line.value, at)
    if line.arm is None:
        return exposure(plan, line.unit, at, line.dimensions)
    _among(line.arm, {arm.name for arm in plan.arms}, "arm")
    return Exposure(line.unit, line.arm, at, line.dimensions)


def _among(name: str, known: set[str], what: str) -> None:
    if name not in known:
        near = get_close_matches(name, known, n=1)
        meant = f": did you mean '{near[0]}'?" if near else f": it has {', '.join(sorted(known))}"
        raise InvalidError(f"the plan has no {what} '{name}'{meant}")
