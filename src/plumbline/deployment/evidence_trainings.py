"""Trainings that were started, held against what was new since the one before."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from plumbline.evidence import Endpoint, Source, UnavailableError, measured

if TYPE_CHECKING:
    from plumbline.deployment.probes.trainings import Training

DAY_S = 86_400.0
"""Trainings of this time are looked at, and two of them are near each other within it (`cool_down` by default)."""

NEW_LABELS = 1_000
"""Labelled rows below which the same model comes out (`new_labels` by default)."""


@dataclass(frozen=True, slots=True)
class Trainings:
    """Trainings of a model in the last day, under the retraining file as it is now.

    A training is for nothing if less than a day after the one before it began with fewer than 1,000 new labels.
    """

    window_s: float = measured("s", "since when: the last change of the retraining file, or a day ago")
    started: int = measured("{training}", "trainings that were started")
    wasted: int = measured("{training}", "those for nothing")
    shortest_s: float = measured("s", "shortest time from one training to a wasted one; 0: none was wasted")
    fewest_labels: int = measured("{label}", "fewest new labels of a wasted one; 0 too if none was")
    failed: int = measured("{training}", "wasted ones after one that failed, or whose end nobody saw")
    undeployed: int = measured("{training}", "wasted ones after one that went well and did not reach production")
    trembling: int = measured("{training}", "wasted ones before which no rule held at some look since the one before")
    cool_down_s: float | None = measured("s", "declared least time between two; None: unknown", default=None)
    new_labels: int | None = measured("{label}", "declared least number of new labels; None: unknown", default=None)
    band: float | None = measured(
        "1", "narrowest gap between `above` (or `below`) and `until`, over the first; None: unknown", default=None
    )
    sources: ClassVar[tuple[Source, ...]] = ()


def trainings_from_file(endpoint: Endpoint) -> Trainings:
    """Read a retraining file and the state it names; or a log of trainings, if the name ends in `.jsonl`.

    Raises:
        UnavailableError: One of them cannot be read.
    """
    path = Path(endpoint.retraining or "")
    if path.suffix == ".jsonl":
        from plumbline.deployment.probes.trainings import logged

        return judged(logged(path), [], time.time() - DAY_S, time.time())
    return _declared(path)


def _declared(path: Path) -> Trainings:
    from plumbline.deployment.core.errors import DeploymentError
    from plumbline.deployment.probes.trainings import remembered
    from plumbline.deployment.retraining.declaration import load

    try:
        setting, changed_at = load(path), path.stat().st_mtime
        if setting.state is None:
            raise UnavailableError("not_configured", f"{path} names no state: add `state: FILE`, and run it once")
        if not setting.state.exists():
            raise UnavailableError("unreachable", f"there is no state at {setting.state}: nobody has looked yet")
        done, calm = remembered(setting.state, setting.rules.model)
    except DeploymentError as error:
        raise UnavailableError("malformed", error.sentence) from None
    except OSError as error:
        raise UnavailableError("unreachable", f"{path}: {error.strerror}") from None
    now = time.time()
    found = judged(done, calm, max(changed_at, now - DAY_S), now)
    bands = [abs(rule.enter - rule.leave) / abs(rule.enter or 1.0) for rule in setting.rules.rules if rule.measure]
    return replace(
        found, cool_down_s=setting.rules.cool_down_s, new_labels=setting.rules.new_labels, band=min(bands, default=None)
    )


def judged(done: list[Training], calm: list[float], since: float, now: float) -> Trainings:
    """Hold each training against the one before.

    Args:
        done: Trainings, oldest first.
        calm: Moments at which somebody looked and no rule held, Unix time.
        since: Unix time from which on trainings count.
        now: Unix time.
    """
    pairs = [(before, one) for before, one in pairwise(done) if one.at >= since]
    wasted = [
        (before, one) for before, one in pairs if one.at - before.at < DAY_S and one.new_since(before) < NEW_LABELS
    ]
    return Trainings(
        window_s=max(0.0, now - since),
        started=sum(one.at >= since for one in done),
        wasted=len(wasted),
        shortest_s=min((one.at - before.at for before, one in wasted), default=0.0),
        fewest_labels=min((one.new_since(before) for before, one in wasted), default=0),
        failed=sum(before.outcome in ("failed", "lost") for before, _ in wasted),
        undeployed=sum(before.outcome == "done" and one.same_model(before) for before, one in wasted),
        trembling=sum(any(before.at < at < one.at for at in calm) for before, one in wasted),
    )


Trainings.sources = (
    Source(
        frozenset({"retraining"}),
        "trainings and looks in the state that {retraining} names; or the log of trainings {retraining}, if it is one",
        trainings_from_file,
    ),
)
