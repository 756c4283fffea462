"""A pipeline as it is declared: one YAML file, read into typed values; an error says where, what, what was meant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field

from plumbline.deployment.core.errors import InvalidError, NotFoundError
from plumbline.deployment.pipeline.closed import CLOSED, Name, Place, Wrong, fit
from plumbline.deployment.pipeline.gates.offered import Limited, settings_of
from plumbline.deployment.pipeline.gates.offered import gates as offered
from plumbline.deployment.pipeline.lane_use import LaneUse
from plumbline.deployment.pipeline.parts import (
    Approval,
    BlueGreen,
    Canary,
    Candidate,
    Evaluated,
    GateUse,
    Recent,
    Step,
    Watch,
)
from plumbline.positions import Located, parse

SCHEMA = "plumbline.pipeline/1"
"""First line of the file, as `schema`: a later form will have another number."""


@dataclass(frozen=True, slots=True)
class Declared:
    """The file's top level.

    Args:
        schema: `plumbline.pipeline/1`.
        model: What is deployed.
        registry: Folder or URL of the registry; the command's `--registry` and `PLUMBLINE_REGISTRY` come before it.
        build: Commands that make the candidate, in order.
        test: Commands that must succeed before a gate is asked.
        evaluation: Labelled rows for the gates.
        recent: Requests of today's callers for the gates.
        gates: What the candidate must show, in order.
        strategy: How the requests move.
        watch: What is watched meanwhile.
        approval: Whether a person must agree.
        lane: Where it is switched.
    """

    __pydantic_config__: ClassVar[ConfigDict] = CLOSED
    schema: Annotated[str, Field(pattern=f"^{SCHEMA}$")]
    model: Candidate
    lane: LaneUse
    strategy: Annotated[BlueGreen | Canary, Field(discriminator="kind")]
    gates: Annotated[tuple[str | dict[str, dict[str, Any] | None], ...], Field(min_length=1)]
    registry: Name | None = None
    build: tuple[Step, ...] = ()
    test: tuple[Step, ...] = ()
    evaluation: Evaluated | None = None
    recent: Recent | None = None
    watch: Watch = field(default_factory=Watch)
    approval: Approval = field(default_factory=Approval)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A pipeline that can be run.

    Args:
        path: The file.
        model: What is deployed.
        lane: Where it is switched.
        strategy: How the requests move.
        gates: What the candidate must show, in order.
        registry: Folder or URL, if the file names one; a folder is relative to the file's.
        build: Commands that make the candidate, in order.
        test: Commands that must succeed before a gate is asked.
        evaluation: Labelled rows for the gates.
        recent: Requests of today's callers for the gates.
        watch: What is watched while both versions serve.
        approval: Whether a person must agree.
    """

    path: Path
    model: Candidate
    lane: LaneUse
    strategy: BlueGreen | Canary
    gates: tuple[GateUse, ...]
    registry: str | None
    build: tuple[Step, ...]
    test: tuple[Step, ...]
    evaluation: Evaluated | None
    recent: Recent | None
    watch: Watch
    approval: Approval

    @property
    def folder(self) -> Path:
        """The file's folder: commands start there, and relative paths begin there."""
        return self.path.parent

    def file(self, name: str) -> Path:
        """Return a path that the file names, relative to its folder."""
        return self.folder / name


class DeclarationError(InvalidError):
    """A pipeline's file that cannot be used; `data["faults"]` lists every fault as line and sentence."""


def load(path: Path) -> Pipeline:
    """Read a pipeline.

    Raises:
        NotFoundError: There is no such file, or one that it names and that no build step could make is missing.
        DeclarationError: It is no YAML, has a key that is unknown or missing, or a value that does not fit. The
            sentence names line, place and what was meant.
    """
    path = path.absolute()
    located = _read(path)
    if located.faults:
        raise _refused(path, located.faults)
    declared, wrong = fit(Declared, located.data)
    faults = [(located.line(*one.place), one.sentence) for one in wrong]
    gates: tuple[GateUse, ...] = ()
    if declared is not None:
        gates, wrong_gates = _gates(declared.gates)
        faults += [(located.line(*one.place), one.sentence) for one in wrong_gates]
    if faults or declared is None:
        raise _refused(path, faults)
    pipeline = Pipeline(
        path,
        declared.model,
        declared.lane,
        declared.strategy,
        gates,
        declared.registry,
        declared.build,
        declared.test,
        declared.evaluation,
        declared.recent,
        declared.watch,
        declared.approval,
    )
    _present(pipeline, located)
    return pipeline


def _read(path: Path) -> Located:
    try:
        return parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotFoundError(f"{path}: there is no such file; `plumb deploy` takes a pipeline's YAML file") from None
    except UnicodeDecodeError as error:
        raise DeclarationError(f"{path}: is no UTF-8 text at byte {error.start}") from None
    except OSError as error:
        raise InvalidError(f"{path}: {error.strerror}", path=str(path)) from None


def _refused(path: Path, faults: list[tuple[int, str]]) -> DeclarationError:
    line, sentence = faults[0]
    more = f" ({len(faults) - 1} more: {_lines(faults[1:])})" if len(faults) > 1 else ""
    return DeclarationError(f"{path}:{line}: {sentence}{more}", path=str(path), faults=faults)


def _lines(faults: list[tuple[int, str]]) -> str:
    return ", ".join(f"line {line}" for line, _ in faults)


def _gates(
    declared: tuple[str | Mapping[str, Mapping[str, Any] | None], ...],
) -> tuple[tuple[GateUse, ...], list[Wrong]]:
    uses: list[GateUse] = []
    wrong: list[Wrong] = []
    for number, one in enumerate(declared):
        if not isinstance(one, str) and len(one) != 1:
            wrong.append(Wrong(("gates", number), "one gate per item: its name, or its name with settings below it"))
            continue
        name, given = (one, None) if isinstance(one, str) else next(iter(one.items()))
        place: Place = ("gates", number) if isinstance(one, str) else ("gates", number, name)
        if any(use.gate == name for use in uses):
            wrong.append(Wrong(place, f"gate '{name}' stands twice"))
            continue
        use, faults = _use(name, dict(given or {}))
        uses.append(use)
        wrong += [Wrong((*place, *fault.place), fault.sentence) for fault in faults]
    return tuple(uses), wrong


def _use(name: str, given: dict[str, Any]) -> tuple[GateUse, tuple[Wrong, ...]]:
    known = offered()
    if name not in known:
        return GateUse(name), (Wrong((), f"there is no gate '{name}'; known are {', '.join(known)}"),)
    limit, wrong = fit(Limited, {"time_limit": given.pop("time_limit")} if "time_limit" in given else {})
    kind = settings_of(name)
    if kind is not None:
        wrong = (*wrong, *fit(kind, given)[1])
    return GateUse(name, given, (limit or Limited()).time_limit_s), wrong


def _present(pipeline: Pipeline, located: Located) -> None:
    """Refuse a file that is missing already now, unless a build step may still make it."""
    for key, part in (("evaluation", pipeline.evaluation), ("recent", pipeline.recent)):
        if part is not None and not pipeline.build and not pipeline.file(part.file).is_file():
            line = located.line(key, "file")
            raise NotFoundError(
                f"{pipeline.path}:{line}: '{key}.file' is {pipeline.file(part.file)}, but there is no such file, "
                "and no build step that could make it",
                path=str(pipeline.path),
            )
