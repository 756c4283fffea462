"""Diagnostics as an assistant sees them: the list, one explained, and what a run may name."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from plumbline.assistant.answers import CauseText, DiagnosticLine, Diagnostics, Explanation, Limit, Reading
from plumbline.assistant.guides import citing
from plumbline.assistant.refusals import RefusedError
from plumbline.catalogue import Catalogue
from plumbline.diagnosis.catalogue import Diagnostic, load, origins
from plumbline.diagnosis.collect import described
from plumbline.diagnosis.findings import Threshold
from plumbline.diagnosis.targets import DEFAULT, config_path, names
from plumbline.handbook import Handbook
from plumbline.handbook.complaints import unknown


def listed(handbook: Handbook) -> Diagnostics:
    """Return all diagnostics, and the targets that a run may name.

    Raises:
        TargetError: `plumbline.toml` is wrong.
    """
    lines = [
        DiagnosticLine(id=one.id, question=one.question, guides=citing(handbook, one.id), timeout_s=_timeout_s(one))
        for one in load(handbook.catalogue)
    ]
    return Diagnostics(diagnostics=lines, targets=names(), default_target=DEFAULT)


def explained(handbook: Handbook, wanted: str) -> Explanation:
    """Return what a diagnostic asks, reads, holds to be too much, and which causes it tells apart.

    Raises:
        RefusedError: There is none of that id.
    """
    known = {one.id: one for one in load(handbook.catalogue)}
    _check_id(wanted, known)
    one = known[wanted]
    problem = handbook.problems.get(one.id)
    return Explanation(
        id=one.id,
        question=one.question,
        explanation=one.explanation,
        reads=_reads(one),
        limits=[_limit(name, limit) for name, limit in one.thresholds.items()],
        causes=[CauseText(**cause.model_dump()) for cause in (problem.causes if problem else ())],
        guides=citing(handbook, one.id),
        timeout_s=_timeout_s(one),
        broken=str(one.broken) if one.broken else None,
    )


def check(catalogue: Catalogue, ids: Iterable[str], target: str) -> None:
    """Refuse to run anything but diagnostics of the catalogue, on anything but a configured target.

    Raises:
        RefusedError: An id is unknown, or the target is free-form or unknown.
        TargetError: `plumbline.toml` is wrong.
    """
    diagnostics = [origin.id for origin in origins(catalogue)]
    for wanted in ids:
        _check_id(wanted, diagnostics)
    known = names()
    if target not in known:
        raise RefusedError(
            f"'{target}' is no target that may be named here; known are {', '.join(known)} "
            f"(the user adds others to {config_path()}; hosts, addresses, paths and pids are not taken)"
        )


def _check_id(wanted: str, known: Collection[str]) -> None:
    if wanted not in known:
        said = unknown("diagnostic", wanted, known)
        raise RefusedError(said if "did you mean" in said else f"{said}; list_diagnostics gives the ids that exist")


def _timeout_s(one: Diagnostic) -> float | None:
    return one.judge.timeout_s if one.judge else None


def _reads(one: Diagnostic) -> list[Reading]:
    return [
        Reading(
            evidence=need.evidence.__name__,
            optional=need.optional,
            sources=[described(source, None) for source in need.evidence.sources],
        )
        for need in (one.judge.needs if one.judge else ())
    ]


def _limit(name: str, limit: Threshold) -> Limit:
    return Limit(name=name, value=limit.value, unit=limit.unit, text=str(limit), source=limit.source)
