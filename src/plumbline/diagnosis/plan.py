"""`--plan`: what a diagnostic would read on a target, without reading any of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from plumbline.diagnosis.catalogue import Diagnostic
from plumbline.diagnosis.collect import described, usable
from plumbline.evidence import Endpoint


def plan(diagnostics: Iterable[Diagnostic], endpoint: Endpoint) -> Iterator[str]:
    """Yield lines: a diagnostic, then each evidence it needs with the sources that would be tried, in order."""
    for one in diagnostics:
        yield f"{one.id}: {one.question}"
        if one.judge is None:
            yield f"  cannot be loaded: {one.broken}"
            continue
        for need in one.judge.needs:
            optional = " (optional)" if need.optional else ""
            sources = usable(need.evidence, endpoint)
            yield f"  {need.evidence.__name__}{optional}"
            for source in sources:
                window = f", watched for {source.window_s:g} s" if source.window_s else ""
                yield f"    reads {described(source, endpoint)}{window}"
            if not sources:
                yield f"    nothing: the target '{endpoint.name}' does not name what it needs"
