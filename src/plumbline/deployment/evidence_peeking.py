"""How an experiment was decided: how often somebody looked, and what could be concluded at that moment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from plumbline.evidence import Endpoint, Source, UnavailableError, measured


@dataclass(frozen=True, slots=True)
class Peeks:
    """The looks of an experiment, replayed in the order of time up to its decision, or to now if there is none."""

    decided: str = measured("", "the arm that was chosen; empty: nothing is decided", secrecy="internal")
    control: str = measured("", "the arm that the others are compared with", secrecy="internal")
    compared: str = measured("", "the arm that was compared with it", secrecy="internal")
    units: int = measured("{unit}", "units of both whose outcomes were complete at the decision")
    planned: int = measured("{unit}", "units of both that the plan wants before a fixed-horizon test is looked at")
    alpha: float = measured("1", "the plan's level for this comparison")
    looks: int = measured("{look}", "looks up to the decision")
    noted: bool = measured("1", "whether the log notes looks; else one a day is assumed, and one at the decision")
    crossed: int = measured("{look}", "looks at which a fixed-horizon z-test was below the level")
    first_units: int = measured("{unit}", "units at the first of these; 0: none")
    p: float = measured("1", "two-sided p-value of the fixed-horizon z-test at the decision")
    difference: float | None = measured(
        "1", "chosen (or compared) arm minus control at the decision; None: too few units", default=None
    )
    low: float | None = measured("1", "lower end of the interval that is valid at every look", default=None)
    high: float | None = measured("1", "its upper end", default=None)
    supported: bool = measured("1", "whether that interval shows the compared arm to be better", default=False)
    plan_looks: int = measured("{look}", "looks if somebody goes on at this pace to the planned units", default=1)
    alarms: float = measured(
        "1", "part of experiments without an effect that so many looks find significant", default=0
    )
    sources: ClassVar[tuple[Source, ...]] = ()


def peeks_from_plan(endpoint: Endpoint) -> Peeks:
    """Read an experiment's file, and the log that it (or the target) names; replay the looks.

    Raises:
        UnavailableError: One of them cannot be read, or the log has no times or an arm that the plan does not have.
    """
    try:
        import numpy  # noqa: F401, ICN001 - looks are replayed with it
    except ImportError:
        raise UnavailableError("not_configured", "it needs numpy: pip install 'plumbline[deployment]'") from None
    from plumbline.deployment.core.errors import DeploymentError
    from plumbline.deployment.experiments.declaration import load
    from plumbline.deployment.probes.exposures import seen
    from plumbline.deployment.probes.peeks import replayed

    try:
        experiment = load(Path(endpoint.experiment or ""))
        log = Path(endpoint.exposures) if endpoint.exposures else experiment.log
        return Peeks(**replayed(experiment.plan, seen(log), log))
    except DeploymentError as error:
        raise UnavailableError("malformed", error.sentence) from None


Peeks.sources = (
    Source(
        frozenset({"experiment", "exposures"}),
        "plan from the experiment's file {experiment}; exposures, outcomes, looks and the decision from {exposures}",
        peeks_from_plan,
    ),
    Source(
        frozenset({"experiment"}),
        "plan and the log's place from the experiment's file {experiment}; exposures, outcomes, looks and the decision "
        "from that log",
        peeks_from_plan,
    ),
)
