"""What blocks show, read one file at a time: a fault elsewhere does not keep a page from being built."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from plumbline.catalogue import Catalogue, ProblemId
from plumbline.diagnosis.catalogue import Diagnostic, load_origin, of_file
from plumbline.handbook.complaints import Complaint, HandbookError, unknown
from plumbline.handbook.inputs import changed
from plumbline.handbook.records import Front, Problem, Proof
from plumbline.handbook.sections import split_front
from plumbline.handbook.validate import Model, validate
from plumbline.positions import parse


@dataclass(frozen=True, slots=True)
class Proven:
    """The state of a proof.

    Args:
        state: `proven`, `failed` (the last run did not prove it), `stale` (an input changed since) or `unproven`.
        record: The recorded proof; None for `unproven`.
        changed: Names of the inputs that changed.
    """

    state: str
    record: Proof | None = None
    changed: tuple[str, ...] = ()

    @property
    def day(self) -> dt.date | None:
        """The day of the recorded proof."""
        return self.record.proven_at.date() if self.record else None


@dataclass(frozen=True, slots=True)
class Shelf:
    """Reads single records of a catalogue, and keeps diagnostics that it has loaded."""

    catalogue: Catalogue
    _loaded: dict[str, tuple[int, Diagnostic]] = field(default_factory=dict)

    def problem(self, name: str) -> Problem:
        """Return a problem record.

        Raises:
            HandbookError: There is none of that id, or it breaks its schema.
        """
        path = self._existing("problem", name, self._id("problem", name).record, "kb/*/*/problem.yml")
        return self._valid(Problem, path, path.read_text("utf-8"), 1)

    def front(self, name: str) -> Front | None:
        """Return a guide's front matter, or None if the problem has no guide.

        Raises:
            HandbookError: It breaks its schema.
        """
        path = self.catalogue.root / ProblemId.parse(name).guide
        if not path.is_file():
            return None
        return self._valid(Front, path, split_front(path.read_text("utf-8"))[0] or "", 2)

    def diagnostic(self, name: str) -> Diagnostic:
        """Return a diagnostic, with its thresholds.

        Raises:
            HandbookError: There is none of that id, or it cannot be loaded.
        """
        file = self._id("diagnostic", name).diagnostic
        path = self._existing("diagnostic", name, file, "diagnostics/*/[!_]*.py")
        stamp = path.stat().st_mtime_ns
        kept = self._loaded.get(name)
        if kept is None or kept[0] != stamp:
            kept = self._loaded[name] = (stamp, load_origin(of_file(path)))
        if kept[1].broken:
            fault = kept[1].broken
            raise HandbookError([Complaint(file.as_posix(), fault.line, fault.sentence)])
        return kept[1]

    def proof(self, name: str) -> Proven:
        """Return the state of a problem's proof.

        Raises:
            HandbookError: Its record breaks the schema, or there is no such problem.
        """
        self.problem(name)
        path = self.catalogue.root / ProblemId.parse(name).proof
        if not path.is_file():
            return Proven("unproven")
        record = self._valid(Proof, path, path.read_text("utf-8"), 1)
        if not record.proven:
            return Proven("failed", record)
        differing = tuple(changed(self.catalogue, name, record.inputs))
        return Proven("stale" if differing else "proven", record, differing)

    def recorded(self, name: str) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
        """Return the recorded (red, green) results of a diagnostic, from its own proof or from another's."""
        root = self.catalogue.root
        own = root / ProblemId.parse(name).proof
        for path in [own, *sorted(root.glob("docs/proof/*/*.json"))]:
            try:
                data = json.loads(path.read_text("utf-8"))
            except (OSError, ValueError):
                continue  # no record yet, or the reference check tells it
            results = [data.get(key) for key in ("red", "green")] if isinstance(data, dict) else []
            if results and all(isinstance(one, dict) and one.get("id") == name for one in results):
                return results[0], results[1]
        return None, None

    def has_guide(self, name: str) -> bool:
        """Tell whether a problem has a guide."""
        return (self.catalogue.root / ProblemId.parse(name).guide).is_file()

    def _id(self, kind: str, name: str) -> ProblemId:
        try:
            return ProblemId.parse(name)
        except ValueError as error:
            raise HandbookError([Complaint("docs", 1, f"/// {kind} | {name}: {error}")]) from None

    def _existing(self, kind: str, name: str, file: Any, pattern: str) -> Path:
        path: Path = self.catalogue.root / file
        if not path.is_file():
            known = [_name(found) for found in self.catalogue.root.glob(pattern)]
            raise HandbookError([Complaint("docs", 1, unknown(kind, name, known))])
        return path

    def _valid(self, model: type[Model], path: Path, text: str, first_line: int) -> Model:
        source = path.relative_to(self.catalogue.root).as_posix()
        record, complaints = validate(model, parse(text, first_line), source)
        if record is None or complaints:
            raise HandbookError(complaints)
        return record


def _name(path: Path) -> str:
    if path.name == "problem.yml":
        return f"{path.parent.parent.name}.{path.parent.name}"
    return f"{path.parent.name}.{path.stem.replace('_', '-')}"
