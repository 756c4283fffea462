"""Read a catalogue into what is searched."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from plumbline.catalogue import Catalogue, ProblemId
from plumbline_search.corpus import Corpus, Page, Section, Signature

if TYPE_CHECKING:
    from plumbline.handbook.load import DiagnosticPage, Guide, Handbook
    from plumbline.handbook.load import Page as HandbookPage
    from plumbline.handbook.records import Problem

_GLOBS = ("docs/**/*.md", "docs/proof/*/*.json", "kb/*/*/problem.yml", "diagnostics/*/[!_]*.py")


class EmptyCorpusError(Exception):
    """The catalogue holds nothing that could be searched."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A catalogue as it was read.

    Args:
        corpus: What is searched.
        complaints: What could not be read, as `file:line: sentence`; the pages concerned are missing.
    """

    corpus: Corpus
    complaints: tuple[str, ...]


def read(catalogue: Catalogue) -> Reading:
    """Read guides, problem records, diagnostics' docstrings and other pages.

    A guide, its problem record and its diagnostic make one page. The record's `paraphrases` are held out for proofs and
    never read here.

    Raises:
        EmptyCorpusError: There is nothing to search.
    """
    from plumbline.handbook.load import read as read_handbook

    handbook, complaints = read_handbook(catalogue)
    names = {*handbook.guides, *handbook.problems, *handbook.diagnostics}
    cited = {name for guide in handbook.guides.values() for name in guide.front.diagnostics}
    pages = [_problem_page(name, handbook) for name in names if name in handbook.guides or name not in cited]
    pages += [_other_page(page) for page in handbook.pages.values() if not _hidden(page)]
    if not pages:
        raise EmptyCorpusError(f"{catalogue.root}: holds no guide, record, diagnostic or page to search")
    return Reading(Corpus.of(pages), tuple(str(complaint) for complaint in complaints))


def fingerprint(catalogue: Catalogue) -> str:
    """Return the SHA-256 over paths and contents of all files that are searched: it changes if an index would."""
    seen = hashlib.sha256()
    for path in sorted({path for pattern in _GLOBS for path in catalogue.root.glob(pattern)}):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        seen.update(f"{path.relative_to(catalogue.root).as_posix()}\0{content}\n".encode())
    return seen.hexdigest()


def _problem_page(name: str, handbook: Handbook) -> Page:
    guide, problem = handbook.guides.get(name), handbook.problems.get(name)
    told = guide.front.diagnostics if guide else (name,)
    diagnostics = [handbook.diagnostics[each] for each in told if each in handbook.diagnostics]
    title = guide.front.title if guide else problem.title if problem else diagnostics[0].question
    sections = _guide_sections(guide, title) if guide else ()
    sections += _record_sections(problem, title, guide) if problem else ()
    sections += tuple(_diagnostic_section(each, title, guide) for each in diagnostics)
    proof = handbook.proofs.get(name)
    return Page(
        id=name,
        kind="guide" if guide else "problem" if problem else "diagnostic",
        title=title,
        url=ProblemId.parse(name).url,
        sections=sections,
        diagnostic=diagnostics[0].id if diagnostics else None,
        proven_at=proof.proven_at.isoformat() if proof and proof.proven else None,
        signatures=tuple(Signature(each.pattern, each.example) for each in problem.signatures) if problem else (),
    )


def _guide_sections(guide: Guide, title: str) -> tuple[Section, ...]:
    summary = Section(title, "", (), _flat(guide.front.description), "guide")
    return (summary, *_sections(guide, "guide"))


def _record_sections(problem: Problem, title: str, guide: Guide | None) -> tuple[Section, ...]:
    said = problem.symptoms
    symptoms = tuple(_flat(each) for each in (*said.complaint, *said.observation, *said.exception))
    examples = tuple(_flat(each.example) for each in problem.signatures)
    top = next((section for section in guide.sections if section.level > 1), None) if guide else None
    heading, anchor, path = (top.heading, top.anchor, (title,)) if top else (title, "", ())
    first = Section(heading, anchor, path, " · ".join((*symptoms, *examples)), "problem", symptoms)
    causes = (
        Section(each.title, each.anchor if guide else "", (title,), _flat(f"{each.title}: {each.evidence}"), "problem")
        for each in problem.causes
    )
    return (first, *causes)


def _diagnostic_section(diagnostic: DiagnosticPage, title: str, guide: Guide | None) -> Section:
    shown = f"diagnostic | {diagnostic.id}"
    place = next((section for section in guide.sections if shown in section.source), None) if guide else None
    text = _flat(f"{diagnostic.question} {diagnostic.explanation}")
    return Section(diagnostic.question, place.anchor if place else "", (title,), text, "diagnostic")


def _other_page(page: HandbookPage) -> Page:
    sections = _sections(page, "page") or (Section(page.title, "", (), page.title, "page"),)
    name = page.source.removeprefix("docs/").removesuffix(".md")
    return Page(id=name, kind="page", title=page.title, url=page.url, sections=sections)


def _sections(page: HandbookPage, source: str) -> tuple[Section, ...]:
    return tuple(
        Section(
            section.heading,
            section.anchor,
            section.breadcrumb,
            _flat(section.text),
            "guide" if source == "guide" else "page",
        )
        for section in page.sections
        if section.text.strip() or section.level > 1
    )


def _hidden(page: HandbookPage) -> bool:
    """Say whether the page asks not to be searched: `search: {exclude: true}` in its front matter, as for Material."""
    front = page.outline.front
    return bool(front and "exclude: true" in front and "search:" in front)


def _flat(text: str) -> str:
    return " ".join(text.split())
