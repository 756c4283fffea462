"""What the checks look at: the handbook, and what exists even where a file could not be read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path

from plumbline.catalogue import ProblemId
from plumbline.handbook.complaints import Complaint, unknown
from plumbline.handbook.load import Guide, Handbook, Page


class View:
    """A handbook under check. Ids come from paths: one broken file does not make all that cite it look broken."""

    def __init__(self, handbook: Handbook) -> None:
        self.handbook = handbook
        self.root = handbook.catalogue.root

    @cached_property
    def guides(self) -> dict[str, Path]:
        """All guides by id."""
        found = self.root.glob("docs/troubleshooting/*/*.md")
        return self._ids((path.parent.name, path.stem, path) for path in found if path.name != "index.md")

    @cached_property
    def records(self) -> dict[str, Path]:
        """All problem records by id."""
        return self._ids((p.parent.parent.name, p.parent.name, p) for p in self.root.glob("kb/*/*/problem.yml"))

    @cached_property
    def faults(self) -> dict[str, Path]:
        """All faults by id."""
        return self._ids((p.parent.parent.name, p.parent.name, p) for p in self.root.glob("kb/*/*/fault.py"))

    @cached_property
    def diagnostics(self) -> dict[str, Path]:
        """All diagnostics by id."""
        found = self.root.glob("diagnostics/*/[!_]*.py")
        return self._ids((path.parent.name, path.stem.replace("_", "-"), path) for path in found)

    @cached_property
    def proofs(self) -> dict[str, Path]:
        """All proof records by id."""
        return self._ids((path.parent.name, path.stem, path) for path in self.root.glob("docs/proof/*/*.json"))

    @cached_property
    def installed(self) -> bool:
        """True for the copy in a wheel, which has no faults: what breaks things is not installed."""
        return self.root.name == "_catalogue" and not self.faults

    def pages(self) -> Iterator[Page | Guide]:
        """Yield all pages: guides, then the others."""
        yield from self.handbook.guides.values()
        yield from self.handbook.pages.values()

    def source(self, path: Path) -> str:
        """Return a file's path in the catalogue."""
        return path.relative_to(self.root).as_posix()

    def missing(self, kind: str, name: str, known: Iterable[str]) -> str:
        """Say that an id leads nowhere: what became of it if it is retired, else what was probably meant."""
        retired = self.handbook.retired.get(name)
        if retired is None:
            return unknown(kind, name, known)
        if retired.successor:
            return f"{kind} '{name}' is retired; did you mean its successor '{retired.successor}'?"
        return f"{kind} '{name}' is retired: {retired.reason}"

    def complain(self, source: str, key: tuple[str | int, ...], sentence: str) -> Complaint:
        """Build a complaint about a key of a YAML or JSON file."""
        located = self.handbook.located.get(source)
        return Complaint(source, located.line(*key) if located else 1, sentence)

    def _ids(self, found: Iterable[tuple[str, str, Path]]) -> dict[str, Path]:
        named: dict[str, Path] = {}
        for area, slug, path in found:
            try:
                named[str(ProblemId.parse(f"{area}.{slug}"))] = path
            except ValueError:
                continue  # told when it was read
        return named
