"""Read the whole handbook: guides, problem records, diagnostics' docstrings, proof records and other pages."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from plumbline.catalogue import AREAS, Catalogue, CatalogueError, ProblemId
from plumbline.handbook.complaints import Complaint, HandbookError, hint
from plumbline.handbook.records import Front, Problem, Proof, Retired
from plumbline.handbook.sections import Outline, Section, outline, sections, title_of
from plumbline.handbook.validate import validate
from plumbline.positions import Located, parse

GENERATED = "docs/reference/generated"
RETIRED = "kb/retired.yml"
_DOCSTRING = re.compile(r'(?:#[^\n]*\n|[ \t]*\n)*"""([^"\\]*)"""[ \t]*\n')


Record = TypeVar("Record", Problem, Proof)


@dataclass(frozen=True)
class Page:
    """A page of `docs/` that is no guide.

    Args:
        path: The file.
        source: Its path in the catalogue.
        title: From the front matter, else the first heading, else the file's name.
        outline: Its skeleton: headings, fences, anchors.
        sections: Its parts, for search.
    """

    path: Path
    source: str
    title: str
    outline: Outline = field(repr=False)
    sections: tuple[Section, ...] = field(repr=False)

    @property
    def url(self) -> str:
        """Address on the site, from its root."""
        return page_url(self.source)


@dataclass(frozen=True)
class Guide(Page):
    """A troubleshooting guide.

    Args:
        id: The problem's id.
        front: Front matter.
        located: Front matter with positions.
    """

    id: str
    front: Front
    located: Located = field(repr=False)

    @property
    def body(self) -> str:
        """The Markdown without front matter."""
        return self.outline.body


@dataclass(frozen=True, slots=True)
class DiagnosticPage:
    """What a diagnostic's file says in its docstring; the file is not executed.

    Args:
        id: The diagnostic's id.
        path: The file.
        question: First line of the docstring.
        explanation: The rest of it.
    """

    id: str
    path: Path
    question: str
    explanation: str


@dataclass(frozen=True)
class Handbook:
    """A catalogue, read.

    Args:
        catalogue: Where it was read from.
        guides: By id.
        problems: Problem records, by id.
        diagnostics: By id.
        pages: Other pages of `docs/`, without generated ones, by path in the catalogue.
        proofs: Proof records, by id.
        retired: What became of ids that are no longer used.
        located: Positions in every YAML and JSON file, by path in the catalogue.
    """

    catalogue: Catalogue
    guides: Mapping[str, Guide]
    problems: Mapping[str, Problem]
    diagnostics: Mapping[str, DiagnosticPage]
    pages: Mapping[str, Page]
    proofs: Mapping[str, Proof]
    retired: Mapping[str, Retired]
    located: Mapping[str, Located] = field(repr=False)


def page_url(source: str) -> str:
    """Return the address of `docs/a/b.md` on the site: `/a/b/`; an index page has its folder's address."""
    inside = source.removeprefix("docs/").removesuffix(".md")
    inside = inside.removesuffix("index") if inside == "index" or inside.endswith("/index") else f"{inside}/"
    return f"/{inside}"


def load(catalogue: Catalogue) -> Handbook:
    """Read the handbook.

    Raises:
        HandbookError: A file cannot be read or breaks its schema; all complaints are listed.
        CatalogueError: There is no guide at all.
    """
    handbook, complaints = read(catalogue)
    if complaints:
        raise HandbookError(complaints)
    if not handbook.guides:
        raise CatalogueError(
            f"{catalogue.root}/docs/troubleshooting: holds no guide; an empty catalogue is never green"
        )
    return handbook


def read(catalogue: Catalogue) -> tuple[Handbook, list[Complaint]]:
    """Read what can be read, and list what cannot; references between files are not looked at."""
    reader = _Reader(catalogue.root)
    problems = reader.problems()
    diagnostics = reader.diagnostics()
    told = {("diagnostic", name): page.question for name, page in diagnostics.items()}
    told |= {("problem", name): _problem_text(problem) for name, problem in problems.items()}
    told |= {("proof", name): "" for name in problems}
    guides = reader.guides(told)
    handbook = Handbook(
        catalogue, guides, problems, diagnostics, reader.pages(told), reader.proofs(), reader.retired(), reader.located
    )
    return handbook, sorted(reader.complaints)


def _problem_text(problem: Problem) -> str:
    said = problem.symptoms
    return "\n".join([*said.complaint, *said.observation, *said.exception, *(cause.title for cause in problem.causes)])


class _Reader:
    """Reads kind by kind, and keeps every complaint."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.complaints: list[Complaint] = []
        self.located: dict[str, Located] = {}

    def problems(self) -> dict[str, Problem]:
        paths = sorted(self.root.glob("kb/*/*/problem.yml"))
        return self._records(Problem, [(path, path.parent.parent.name, path.parent.name) for path in paths])

    def proofs(self) -> dict[str, Proof]:
        paths = sorted(self.root.glob("docs/proof/*/*.json"))
        return self._records(Proof, [(path, path.parent.name, path.stem) for path in paths])

    def _records(self, model: type[Record], places: list[tuple[Path, str, str]]) -> dict[str, Record]:
        """Read records of one kind, each with the area and the slug that its path gives it."""
        found: dict[str, Record] = {}
        for path, area, slug in places:
            name = self._id(path, area, slug)
            located = self._parse(path)
            record, complaints = validate(model, located, self._source(path))
            self.complaints += complaints
            if name and record:
                if record.id != name:
                    self._complain(path, located.line("id"), f"id '{record.id}' is not its path's: '{name}'")
                found[name] = record
        return found

    def retired(self) -> dict[str, Retired]:
        path = self.root / RETIRED
        if not path.exists():
            return {}
        located = self._parse(path)
        self.complaints += [Complaint(RETIRED, line, sentence) for line, sentence in located.faults]
        entries = located.data if isinstance(located.data, dict) else {}
        if located.data is not None and not entries and located.data != {}:
            self._complain(path, 1, "expected 'old.id: {successor: new.id}' or '{reason: …}'")
        found: dict[str, Retired] = {}
        for name in entries:
            try:
                ProblemId.parse(name)
            except ValueError as error:
                self._complain(path, located.line(name), str(error))
            entry, complaints = validate(Retired, located, RETIRED, name)
            self.complaints += complaints
            if entry:
                found[name] = entry
        return found

    def diagnostics(self) -> dict[str, DiagnosticPage]:
        found: dict[str, DiagnosticPage] = {}
        for path in sorted(self.root.glob("diagnostics/*/[!_]*.py")):
            name = self._id(path, path.parent.name, path.stem.replace("_", "-"))
            if not name:
                continue
            docstring = self._docstring(path)
            question, _, explanation = docstring.partition("\n")
            found[name] = DiagnosticPage(name, path, question.strip(), explanation.strip())
        return found

    def _docstring(self, path: Path) -> str:
        """Return a module's docstring; only one with a backslash, or in other quotes, costs a run of the parser."""
        source = self._text(path)
        if plain := _DOCSTRING.match(source):
            return inspect.cleandoc(plain[1])
        try:
            return ast.get_docstring(ast.parse(source)) or ""
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return ""  # the house rules tell it

    def guides(self, told: Mapping[tuple[str, str], str]) -> dict[str, Guide]:
        found: dict[str, Guide] = {}
        for path in sorted(self.root.glob("docs/troubleshooting/*/*.md")):
            if path.name == "index.md":
                continue
            name = self._id(path, path.parent.name, path.stem)
            page = outline(self._text(path))
            source = self._source(path)
            if page.front is None:
                self._complain(path, 1, "has no front matter: a guide begins with '---', its keys, and '---'")
                continue
            located = self.located[source] = parse(page.front, first_line=2)
            front, complaints = validate(Front, located, source)
            self.complaints += complaints
            if name and front:
                title = title_of(page) or front.title
                parts = sections(page, title, told)
                found[name] = Guide(path, source, front.title, page, parts, name, front, located)
        return found

    def pages(self, told: Mapping[tuple[str, str], str]) -> dict[str, Page]:
        found: dict[str, Page] = {}
        guides = {*self.root.glob("docs/troubleshooting/*/*.md")}
        for path in sorted(self.root.glob("docs/**/*.md")):
            source = self._source(path)
            if source.startswith(f"{GENERATED}/") or (path in guides and path.name != "index.md"):
                continue
            page = outline(self._text(path))
            title = None
            if page.front is not None:
                located = self.located[source] = parse(page.front, first_line=2)
                self.complaints += [Complaint(source, line, sentence) for line, sentence in located.faults]
                title = located.data.get("title") if isinstance(located.data, dict) else None
            title = str(title or title_of(page) or path.stem.replace("-", " ").capitalize())
            found[source] = Page(path, source, title, page, sections(page, title, told))
        return found

    def _id(self, path: Path, area: str, slug: str) -> str | None:
        try:
            return str(ProblemId.parse(f"{area}.{slug}"))
        except ValueError as error:
            self._complain(path, 1, f"{error}{'' if area in AREAS else hint(area, AREAS)}")
            return None

    def _parse(self, path: Path) -> Located:
        located = parse(self._text(path))
        self.located[self._source(path)] = located
        return located

    def _text(self, path: Path) -> str:
        try:
            return path.read_text("utf-8")
        except UnicodeDecodeError as error:
            self._complain(path, 1, f"is not UTF-8 (byte {error.start})")
            return path.read_text("utf-8", errors="replace")

    def _source(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def _complain(self, path: Path, line: int, sentence: str) -> None:
        self.complaints.append(Complaint(self._source(path), line, sentence))
