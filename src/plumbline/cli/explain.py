"""`plumb explain ID`: what a diagnostic asks, reads, holds to be too much, and which causes it tells apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from plumbline.cli.failure import failures

if TYPE_CHECKING:
    from plumbline.catalogue import Catalogue
    from plumbline.diagnosis.catalogue import Diagnostic


@click.command()
@click.argument("id_", metavar="ID")
@click.pass_obj
def explain(obj: dict[str, Any], id_: str) -> None:
    """Say what a diagnostic asks, reads and holds to be too much, where its limits come from, and its causes."""
    with failures():
        from plumbline.catalogue import locate
        from plumbline.diagnosis.catalogue import load
        from plumbline.diagnosis.select import pick

        catalogue = locate(obj.get("catalogue"))
        (one,) = pick(load(catalogue), [id_])
        for line in explanation(one, catalogue):
            click.echo(line)


def explanation(one: Diagnostic, catalogue: Catalogue) -> Iterator[str]:
    """Yield the lines."""
    yield f"{one.id}: {one.question}"
    if one.explanation:
        yield ""
        yield one.explanation
    if one.broken:
        yield ""
        yield f"It cannot be loaded: {one.broken}"
    yield from _reads(one)
    if one.thresholds:
        yield ""
        yield "Limits"
        for name, limit in one.thresholds.items():
            yield f"  {name} = {limit}  {limit.name}"
            yield f"      source: {limit.source}"
    yield from _causes(one, catalogue)
    yield ""
    yield f"Guide  {one.guide}"
    yield f"Run    plumb diagnose {one.id}"


def _reads(one: Diagnostic) -> Iterator[str]:
    from plumbline.diagnosis.collect import described

    if one.judge is None:
        return
    yield ""
    yield f"Reads (within {one.judge.timeout_s:g} s; the first source that the target offers)"
    for need in one.judge.needs:
        yield f"  {need.evidence.__name__}{' (optional)' if need.optional else ''}"
        for source in need.evidence.sources:
            window = f", watched for {source.window_s:g} s" if source.window_s else ""
            yield f"    {described(source, None)}{window}"


def _causes(one: Diagnostic, catalogue: Catalogue) -> Iterator[str]:
    import yaml
    from pydantic import ValidationError

    from plumbline.catalogue import ProblemId
    from plumbline.handbook.records import Problem

    path = catalogue.root / ProblemId.parse(one.id).record
    if not path.is_file():
        return
    try:
        problem = Problem.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, ValidationError):
        yield ""
        yield f"Causes: {path} is broken; 'plumb check' says where"
        return
    yield ""
    yield "Causes that it tells apart"
    for cause in problem.causes:
        yield f"  {cause.id}: {cause.title}"
        yield f"      {cause.evidence}"
