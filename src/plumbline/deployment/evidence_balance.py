"""Whether the arms of an experiment are as large as planned: as a whole, and in each part of the population."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from plumbline.evidence import Endpoint, Source, UnavailableError, measured

if TYPE_CHECKING:
    from plumbline.deployment.experiments.plan import Plan
    from plumbline.deployment.experiments.units import Units


@dataclass(frozen=True, slots=True)
class ArmBalance:
    """Units per arm of an experiment, held against the planned shares."""

    planned: int = measured("1", "1: shares are from the experiment's file; 0: unknown, taken as equal")
    arms: tuple[str, ...] = measured("", "names of the arms, in the plan's order", secrecy="internal")
    sizes: tuple[int, ...] = measured("{unit}", "units per arm, each once, without those that met several")
    expected: tuple[float, ...] = measured("{unit}", "units per arm as planned, of as many units in all")
    p: float = measured("1", "chance of such an imbalance at any look, if the assignment is right")
    crossed: int = measured("{unit}", "units that met more than one arm")
    strangers: int = measured("{exposure}", "exposures to arms that the plan does not have")
    stranger: str = measured("", "the most frequent of those arms; empty: none", secrecy="internal")
    parts: int = measured("{part}", "parts of the population (values of dimensions) that are large enough to be judged")
    uneven: int = measured("{part}", "those of them that are out of balance, corrected for their number")
    part: str = measured("", "the one that is furthest out of balance, as dimension=value", secrecy="internal")
    part_sizes: tuple[int, ...] = measured("{unit}", "units per arm in that part")
    part_p: float = measured("1", "as p, in that part, before the correction")
    alike: float = measured(
        "1", "chance that the parts of a dimension differ so much in their arms if they are alike; the lowest of all"
    )
    sources: ClassVar[tuple[Source, ...]] = ()

    @property
    def units(self) -> int:
        """Units in all, those that met several arms too."""
        return sum(self.sizes) + self.crossed


def balance_from_plan(endpoint: Endpoint) -> ArmBalance:
    """Read an experiment's file, and the log that it (or the target) names.

    Raises:
        UnavailableError: One of them cannot be read.
    """
    _installed()
    from plumbline.deployment.core.errors import DeploymentError
    from plumbline.deployment.experiments.declaration import load

    try:
        experiment = load(Path(endpoint.experiment or ""))
    except DeploymentError as error:
        raise UnavailableError("malformed", error.sentence) from None
    log = Path(endpoint.exposures) if endpoint.exposures else experiment.log
    return _judged(experiment.plan, log, planned=True)


def balance_from_log(endpoint: Endpoint) -> ArmBalance:
    """Read a log alone; its arms are taken to be planned as equally large.

    Raises:
        UnavailableError: It cannot be read, or names one arm only.
    """
    _installed()
    return _judged(None, Path(endpoint.exposures or ""), planned=False)


def _installed() -> None:
    try:
        import scipy.special  # noqa: F401 - the balance is computed with it
    except ImportError:
        raise UnavailableError("not_configured", "it needs scipy: pip install 'plumbline[deployment]'") from None


def _judged(plan: Plan | None, log: Path, *, planned: bool) -> ArmBalance:
    from plumbline.deployment.experiments.analysis import FEW_FOR_A_PART, uneven_parts
    from plumbline.deployment.experiments.units import units
    from plumbline.deployment.probes.exposures import seen
    from plumbline.deployment.statistics.srm import balance

    exposures = seen(log).exposures
    plan = plan or _equal({one.arm for one in exposures}, log)
    of = units(plan, exposures)
    whole = balance(of.sizes(plan), [arm.share for arm in plan.arms])
    uneven = dict(uneven_parts(plan, of))
    worst = min(uneven, key=lambda part: uneven[part].anytime_p, default="")
    return ArmBalance(
        planned=int(planned),
        arms=tuple(arm.name for arm in plan.arms),
        sizes=whole.observed,
        expected=whole.expected,
        p=whole.anytime_p,
        crossed=len(of.crossed),
        strangers=of.strangers.total(),
        stranger=of.strangers.most_common(1)[0][0] if of.strangers else "",
        parts=sum(sum(row) >= FEW_FOR_A_PART for table in _tables(of, len(plan.arms)).values() for row in table),
        uneven=len(uneven),
        part=worst,
        part_sizes=uneven[worst].observed if worst else (),
        part_p=uneven[worst].anytime_p if worst else 1.0,
        alike=_alike(_tables(of, len(plan.arms))),
    )


def _tables(of: Units, arms: int) -> dict[str, list[list[int]]]:
    """Return units by dimension: a row per value, a column per arm."""
    found: dict[str, dict[str, list[int]]] = {}
    for arm, dimensions in zip(of.arms, of.dimensions, strict=True):
        for name, value in dimensions.items():
            found.setdefault(name, {}).setdefault(value, [0] * arms)[arm] += 1
    return {name: list(rows.values()) for name, rows in found.items()}


def _alike(tables: dict[str, list[list[int]]]) -> float:
    from scipy.special import chdtrc

    lowest = 1.0
    for rows in tables.values():
        columns = [sum(column) for column in zip(*rows, strict=True)]
        total = sum(columns)
        expected = [[sum(row) * column / total for column in columns] for row in rows]
        pairs = [
            (got, want) for row, line in zip(rows, expected, strict=True) for got, want in zip(row, line, strict=True)
        ]
        distance = sum((got - want) ** 2 / want for got, want in pairs if want)
        freedom = (len(rows) - 1) * (sum(map(bool, columns)) - 1)
        lowest = min(lowest, float(chdtrc(freedom, distance)) if freedom else 1.0)
    return lowest


def _equal(arms: set[str], log: Path) -> Plan:
    from plumbline.deployment.experiments.plan import Arm, Metric, Plan

    if len(arms) < 2:
        raise UnavailableError("malformed", f"{log} has exposures to {len(arms)} arms: two or more can be compared")
    share = 1 / len(arms)
    return Plan(log.stem, tuple(Arm(name, share) for name in sorted(arms)), (Metric("exposure"),), salt=log.stem)


ArmBalance.sources = (
    Source(
        frozenset({"experiment", "exposures"}),
        "shares from the experiment's file {experiment}, units from the log {exposures}",
        balance_from_plan,
    ),
    Source(
        frozenset({"experiment"}),
        "shares and the log's place from the experiment's file {experiment}, units from that log",
        balance_from_plan,
    ),
    Source(frozenset({"exposures"}), "units from the log {exposures}; shares are taken to be equal", balance_from_log),
)
