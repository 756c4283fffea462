"""A model's retraining file: rules, what keeps them from thrashing, where to look, and what to start."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from plumbline.deployment import declared
from plumbline.deployment.core.durations import seconds
from plumbline.deployment.core.errors import InvalidError
from plumbline.deployment.retraining import written
from plumbline.deployment.retraining.rules import Rule, Rules, Side
from plumbline.deployment.retraining.trigger import WHY, deploying
from plumbline.deployment.retraining.written import WINDOW


@dataclass(frozen=True, slots=True)
class Bug:
    """A measure that shows a fault rather than a changed world.

    Args:
        measure: Its name.
        side: On which side of the limit it is a fault.
        limit: In the measure's unit.
    """

    measure: str
    side: Side
    limit: float

    def sign(self, measures: dict[str, float]) -> str | None:
        """Return the sign in words, or None."""
        value = measures.get(self.measure)
        if value is None or not (value > self.limit if self.side == "above" else value < self.limit):
            return None
        return f"{self.measure} is {value:.4g} ({self.side} {self.limit:g}), which looks like a fault"


@dataclass(frozen=True, slots=True)
class Sources:
    """Where to look; paths are absolute.

    Args:
        labels: CSV of predictions and what came true.
        window: Newest mature rows that performance is measured on.
        training: CSV of the inputs that the model was trained on.
        recent: CSV of inputs that came lately.
        ignore: Columns of both that are no inputs.
        file: JSON with measures that somebody else computed.
        prometheus: URL of a Prometheus.
        queries: PromQL by the measure's name.
        server: URL of a model server's metrics.
        version: Version that counts there.
        registry: URL of the registry, empty for the usual one; None: do not ask it.
        blobs: Folder of its files, of a registry in Postgres.
        alias: What serves, there.
        settle_s: Time after a release in which any change may be the release's own doing, in seconds.
    """

    labels: Path | None = None
    window: int = WINDOW
    training: Path | None = None
    recent: Path | None = None
    ignore: tuple[str, ...] = ()
    file: Path | None = None
    prometheus: str | None = None
    queries: dict[str, str] = field(default_factory=dict)
    server: str | None = None
    version: str | None = None
    registry: str | None = None
    blobs: Path | None = None
    alias: str = "production"
    settle_s: float = 3_600.0


@dataclass(frozen=True, slots=True)
class Retraining:
    """Everything of one file.

    Args:
        rules: When to train.
        bugs: When not to, because something is broken.
        sources: Where to look.
        start: The command that trains and deploys; `{why}` in it becomes the sentence.
        folder: Where the command runs, and what paths are relative to.
        timeout_s: Time that it may take, in seconds; None for any.
        state: File of what is remembered; None: the usual place.
    """

    rules: Rules
    bugs: tuple[Bug, ...]
    sources: Sources
    start: tuple[str, ...]
    folder: Path
    timeout_s: float | None = None
    state: Path | None = None


def load(path: Path) -> Retraining:
    """Read a retraining file.

    Raises:
        InvalidError: It cannot be read or does not fit together; the sentence names file and place.
    """
    file = declared.read(path, written.File)
    folder = path.resolve().parent
    try:
        return Retraining(
            _rules(file),
            tuple(_bug(one) for one in file.bugs),
            _sources(file.observe, folder),
            _start(file, folder),
            folder,
            None if file.timeout is None else seconds(file.timeout, "timeout"),
            folder / file.state if file.state else None,
        )
    except InvalidError as error:
        raise InvalidError(f"{path}: {error.sentence}", path=str(path), **error.data) from error


def _rules(file: written.File) -> Rules:
    return Rules(
        file.model,
        tuple(_rule(one) for one in file.rules),
        seconds(file.cool_down, "cool_down"),
        file.new_labels,
        seconds(file.label_delay, "label_delay"),
        file.budget.runs,
        seconds(file.budget.within, "budget.within"),
    )


def _rule(one: written.Rule) -> Rule:
    side = _side(f"rule '{one.name}'", one.above, one.below)
    needs = one.kind in ("performance", "drift")
    if needs != (one.measure is not None):
        said = "names the measure it looks at" if needs else f"has no measure: its kind, {one.kind}, says what it is"
        raise InvalidError(f"rule '{one.name}' {said}", rule=one.name)
    enter = _limit(one, one.above if side == "above" else one.below)
    leave = enter if one.until is None else _limit(one, one.until)
    if needs and leave == enter:
        raise InvalidError(
            f"rule '{one.name}' has no `until`: say at which value it is over, apart from where it begins, or noise "
            "around one value is many events",
            rule=one.name,
        )
    return Rule(
        one.name, one.kind, one.measure or "", side, enter, leave, seconds(one.lasting, f"lasting of '{one.name}'")
    )


def _limit(one: written.Rule, given: float | str | None) -> float:
    if one.kind == "age":
        return seconds(given or 0.0, f"rule '{one.name}'")
    if isinstance(given, int | float):
        return float(given)
    raise InvalidError(f"rule '{one.name}' has the limit '{given}': expected a number", rule=one.name)


def _side(whose: str, above: object, below: object) -> Side:
    if (above is None) == (below is None):
        raise InvalidError(f"{whose} has one limit: `above` or `below`")
    return "below" if above is None else "above"


def _bug(one: written.Bug) -> Bug:
    side = _side(f"bug sign '{one.measure}'", one.above, one.below)
    return Bug(one.measure, side, float((one.above if side == "above" else one.below) or 0.0))


def _start(file: written.File, folder: Path) -> tuple[str, ...]:
    if (file.pipeline is None) == (file.start is None):
        raise InvalidError("expected `pipeline: pipeline.yml` (for plumb deploy), or `start: [program, argument, …]`")
    if file.pipeline is not None:
        return tuple(deploying(folder / file.pipeline))
    words = tuple(file.start or ())
    if not any(WHY in word for word in words):
        raise InvalidError(f"`start` does not say why: put {WHY} where the sentence goes")
    return words


def _sources(given: written.Observe, folder: Path) -> Sources:
    if given.window < 1:
        raise InvalidError(f"observe.window is {given.window}: expected how many rows to measure on")
    samples, prometheus, server, registry = given.samples, given.prometheus, given.server, given.registry
    return Sources(
        labels=folder / given.labels if given.labels else None,
        window=given.window,
        training=folder / samples.training if samples else None,
        recent=folder / samples.recent if samples else None,
        ignore=samples.ignore if samples else (),
        file=folder / given.file if given.file else None,
        prometheus=prometheus.url if prometheus else None,
        queries=prometheus.queries if prometheus else {},
        server=server.metrics if server else None,
        version=server.version if server else None,
        **(_registry(registry, folder) if registry else {}),
    )


def _registry(given: written.Registry, folder: Path) -> dict[str, Any]:
    url = given.url or ""
    return {
        "registry": str(folder / url) if url and "://" not in url else url,
        "blobs": folder / given.blobs if given.blobs else None,
        "alias": given.alias,
        "settle_s": seconds(given.settle, "observe.registry.settle"),
    }
