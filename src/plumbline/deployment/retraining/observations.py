"""What is known of a model now, from all sources together; a source that does not answer is named, not guessed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from plumbline.deployment.core.encoding import decode
from plumbline.deployment.core.errors import DeploymentError, InvalidError
from plumbline.deployment.retraining import remote, tables
from plumbline.deployment.retraining.declaration import Retraining, Sources
from plumbline.deployment.retraining.registered import registered
from plumbline.deployment.retraining.rules import Observation
from plumbline.deployment.retraining.tables import Found

_OFFLINE = "offline."


@dataclass(frozen=True, slots=True)
class Sight:
    """An observation, and what could not be seen.

    Args:
        observation: For the rules.
        missed: Why a source said nothing, one sentence each.
    """

    observation: Observation
    missed: tuple[str, ...] = ()


class _Measured(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    measures: dict[str, float] = {}
    labels: int | None = None
    trained_at: float | None = None
    bugs: tuple[str, ...] = ()


def observe(setting: Retraining, now: float) -> Sight:
    """Ask all sources; where a measure is known from before the release and from now, `drop.<measure>` is their gap.

    Args:
        setting: What is declared.
        now: Unix time.

    Raises:
        InvalidError: No source says when the version that serves was trained: age and new labels hang on it.
    """
    sources, missed = setting.sources, []
    found: list[Found] = []

    def ask(source: Callable[[], Found]) -> None:
        try:
            found.append(source())
        except DeploymentError as error:
            missed.append(error.sentence)

    for source in _asked(setting, sources, now):
        ask(source)
    trained_at = next((one.trained_at for one in found if one.trained_at is not None), None)
    if trained_at is None:
        told = "; ".join(missed) or "name a registry, or a file with `trained_at`"
        raise InvalidError(f"nothing says when '{setting.rules.model}' was trained: {told}")
    if sources.labels is not None:
        path, delay_s = sources.labels, setting.rules.label_delay_s
        ask(lambda: tables.labelled(path, now=now, trained_at=trained_at, delay_s=delay_s, window=sources.window))
    measures = {name: value for one in found for name, value in one.measures.items()}
    measures |= _drops(measures)
    labels = max((one.labels for one in found if one.labels is not None), default=0)
    signs = [sign for bug in setting.bugs if (sign := bug.sign(measures))]
    bugs = (*(bug for one in found for bug in one.bugs), *signs)
    unknown = tuple(bug.measure for bug in setting.bugs if bug.measure not in measures)
    return Sight(Observation(now, measures, labels, trained_at, bugs, unknown), tuple(missed))


def _drops(measures: dict[str, float]) -> dict[str, float]:
    named = {name.removeprefix(_OFFLINE): value for name, value in measures.items() if name.startswith(_OFFLINE)}
    return {f"drop.{name}": value - measures[name] for name, value in named.items() if name in measures}


def _asked(setting: Retraining, sources: Sources, now: float) -> list[Callable[[], Found]]:
    asked: list[Callable[[], Found]] = []
    if (file := sources.file) is not None:
        asked.append(lambda: measured(file))
    if (url := sources.registry) is not None:
        where = {"now": now, "settle_s": sources.settle_s}
        asked.append(lambda: registered(url, setting.rules.model, sources.alias, blobs=sources.blobs, **where))
    if (training := sources.training) is not None and (recent := sources.recent) is not None:
        asked.append(lambda: tables.samples(training, recent, sources.ignore))
    if (prometheus := sources.prometheus) is not None:
        asked.append(lambda: remote.queried(prometheus, sources.queries))
    if (server := sources.server) is not None:
        asked.append(lambda: remote.scraped(server, sources.version))
    return asked


def measured(path: Path) -> Found:
    """Read measures that somebody else computed: `{"measures": {…}, "labels": …, "trained_at": …, "bugs": […]}`.

    Raises:
        InvalidError: The file cannot be read, or holds something else.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise InvalidError(f"{path}: {error.strerror}", path=str(path)) from error
    one = decode(text, _Measured, str(path))
    return Found(one.measures, one.labels, one.trained_at, one.bugs)
