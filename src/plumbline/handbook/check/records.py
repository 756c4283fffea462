"""Problem records: causes, look-alikes, decoys, signatures, collateral, component paths."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from plumbline.catalogue import ProblemId
from plumbline.handbook.check.view import View
from plumbline.handbook.complaints import Complaint, unknown
from plumbline.handbook.fences import scan_fences
from plumbline.handbook.inputs import component_files
from plumbline.handbook.load import Guide
from plumbline.handbook.records import Problem


def check(view: View) -> Iterator[Complaint]:
    """Yield what records name and is not there."""
    for name, problem in view.handbook.problems.items():
        source = ProblemId.parse(name).record.as_posix()
        guide = view.handbook.guides.get(name)
        yield from _ids(view, source, problem)
        yield from _signatures(view, source, problem)
        yield from _twice(view, source, "causes", (cause.id for cause in problem.causes))
        yield from _twice(view, source, "decoys", (decoy.id for decoy in problem.decoys))
        for index, pattern in enumerate(problem.component_paths):
            if not component_files([pattern]):
                said = f"component path '{pattern}' names no file below src/, so a change there would go unnoticed"
                yield view.complain(source, ("component_paths", index), said)
        if guide:
            yield from _causes(view, source, problem, guide)
            yield from _decoys(view, source, problem, guide)


def _ids(view: View, source: str, problem: Problem) -> Iterator[Complaint]:
    for index, one in enumerate(problem.lookalikes):
        if one.id and one.id not in view.guides:
            yield view.complain(source, ("lookalikes", index, "id"), view.missing("look-alike", one.id, view.guides))
        elif one.id == problem.id:
            yield view.complain(source, ("lookalikes", index, "id"), f"look-alike '{one.id}' is the problem itself")
    for index, name in enumerate(problem.collateral):
        if name not in view.diagnostics:
            said = view.missing("collateral diagnostic", name, view.diagnostics)
            yield view.complain(source, ("collateral", index), said)


def _signatures(view: View, source: str, problem: Problem) -> Iterator[Complaint]:
    for index, signature in enumerate(problem.signatures):
        try:
            pattern = re.compile(signature.pattern)
        except (re.error, OverflowError, RecursionError) as error:
            said = f"signature '{signature.pattern}' is no regular expression: {error}"
            yield view.complain(source, ("signatures", index, "pattern"), said)
            continue
        if pattern.search(""):
            said = f"signature '{signature.pattern}' matches an empty line, so it matches every line"
            yield view.complain(source, ("signatures", index, "pattern"), said)
        elif not pattern.search(signature.example):
            said = f"example '{signature.example}' does not match its pattern '{signature.pattern}'"
            yield view.complain(source, ("signatures", index, "example"), said)


def _twice(view: View, source: str, key: str, names: Iterable[str]) -> Iterator[Complaint]:
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            yield view.complain(source, (key, index, "id"), f"id '{name}' is given twice in {key}")
        seen.add(name)


def _causes(view: View, source: str, problem: Problem, guide: Guide) -> Iterator[Complaint]:
    anchors = guide.outline.anchors
    for index, cause in enumerate(problem.causes):
        if cause.anchor not in anchors:
            said = f"{unknown('anchor', cause.anchor, anchors)} (in {guide.source})"
            yield view.complain(source, ("causes", index, "anchor"), said)
        if f"cause-{cause.id}" in anchors:
            said = f"cause '{cause.id}' makes the id 'cause-{cause.id}', which {guide.source} uses for a heading"
            yield view.complain(source, ("causes", index, "id"), said)


def _decoys(view: View, source: str, problem: Problem, guide: Guide) -> Iterator[Complaint]:
    steps, _ = scan_fences(guide.outline.fences)
    fenced = {step.id: step for step in steps if step.kind == "decoy"}
    for index, decoy in enumerate(problem.decoys):
        if decoy.id not in fenced:
            said = unknown("decoy fence", decoy.id, fenced, f"does not exist in {guide.source}")
            yield view.complain(source, ("decoys", index, "id"), said)
    declared = {decoy.id for decoy in problem.decoys}
    for step in fenced.values():
        if step.id not in declared:
            yield Complaint(
                guide.source, step.line, unknown("decoy fence", step.id, declared, f"is not declared in {source}")
            )
    fixes = [step for step in steps if step.kind == "fix"]
    if not fixes:
        yield Complaint(guide.source, 1, "has no fix: nothing is executable (``` {.bash .fix #id})")
    elif all(step.extra for step in fixes):
        yield Complaint(guide.source, fixes[0].line, "every step of its fix is .extra: one of them has to heal")
