"""`@diagnostic`: a pure function from evidence to a finding; its parameters' types say what it needs."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, overload

from plumbline.diagnosis.findings import Finding
from plumbline.evidence import Evidence

DEFAULT_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Need:
    """One parameter of a diagnostic: the evidence it wants, and whether it can do without."""

    name: str
    evidence: type[Any]
    optional: bool


@dataclass(frozen=True, slots=True)
class Judge:
    """A declared diagnostic: the pure function and what it needs.

    Args:
        function: Judges the evidence.
        needs: Its parameters, in order.
        timeout_s: Longest run, collection included, in seconds.
    """

    function: Callable[..., Finding]
    needs: tuple[Need, ...]
    timeout_s: float

    def __call__(self, *evidence: Any, **named: Any) -> Finding:
        """Judge evidence that the caller has; tests call diagnostics like this."""
        return self.function(*evidence, **named)


@overload
def diagnostic(function: Callable[..., Finding], /) -> Judge: ...
@overload
def diagnostic(*, timeout_s: float = DEFAULT_TIMEOUT_S) -> Callable[[Callable[..., Finding]], Judge]: ...
def diagnostic(
    function: Callable[..., Finding] | None = None, /, *, timeout_s: float = DEFAULT_TIMEOUT_S
) -> Judge | Callable[[Callable[..., Finding]], Judge]:
    """Declare the one diagnostic of a file.

    An optional parameter (`queues: OutboundQueues | None`) becomes None when no source for it can be read; if every
    parameter is None, the finding is `unknown` without asking the function.

    Raises:
        TypeError: A parameter has no annotation, or its type is no evidence record.
    """
    if function is None:
        return lambda inner: Judge(inner, _needs(inner), timeout_s)
    return Judge(function, _needs(function), timeout_s)


def _needs(function: Callable[..., Finding]) -> tuple[Need, ...]:
    hints = typing.get_type_hints(function)
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    if not names:
        raise TypeError(f"{function.__name__}() takes no evidence: give it a parameter typed with an evidence record")
    return tuple(_need(function.__name__, name, hints.get(name)) for name in names)


def _need(function: str, name: str, hint: Any) -> Need:
    optional = False
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        rest = [part for part in typing.get_args(hint) if part is not type(None)]
        optional = len(rest) < len(typing.get_args(hint))
        hint = rest[0] if len(rest) == 1 else None
    if not (isinstance(hint, type) and isinstance(getattr(hint, "sources", None), tuple)):
        raise TypeError(f"{function}(): '{name}' is annotated with no evidence record but {hint!r}")
    return Need(name, hint, optional)


__all__ = ["DEFAULT_TIMEOUT_S", "Evidence", "Judge", "Need", "diagnostic"]
