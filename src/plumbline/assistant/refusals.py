"""What an assistant is told when a call does not work out: one sentence, without secrets."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import ValidationError

from plumbline.catalogue import CatalogueError
from plumbline.diagnosis.redact import text
from plumbline.diagnosis.select import UnknownDiagnosticError
from plumbline.diagnosis.targets import TargetError
from plumbline.handbook import HandbookError


class RefusedError(Exception):
    """A call is refused; the sentence says why and what would work."""


EXPECTED = (RefusedError, CatalogueError, HandbookError, UnknownDiagnosticError, TargetError)


def sentence_of(error: BaseException) -> str | None:
    """Return the sentence of an expected error, None for a bug."""
    while isinstance(error, BaseExceptionGroup):  # task groups wrap even a single one
        error = error.exceptions[0]
    if isinstance(error, HandbookError):
        return f"the handbook has faults ({len(error.complaints)}); 'plumb check' lists them"
    return text(str(error)) if isinstance(error, EXPECTED) else None


def wrong_arguments(tool: str, known: Iterable[str], error: ValidationError) -> str:
    """Say what is wrong with the arguments of a call; rejected values are not repeated."""
    names = " and ".join(known) or "nothing"
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return text(f"{tool} has no argument '{where}'; it takes {names}")
    if first["type"] == "missing":
        return f"{tool} needs the argument '{where}'"
    return text(f"{tool}: '{where}' is wrong: {first['msg'][:1].lower()}{first['msg'][1:]}")
