"""Which gates there are: the built-in ones, and those that other packages bring by entry point."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import Any, ClassVar

from pydantic import ConfigDict

from plumbline.deployment.core.errors import InvalidError
from plumbline.deployment.core.gates import Gate, Situation
from plumbline.deployment.pipeline.closed import CLOSED, Seconds
from plumbline.deployment.pipeline.gates.latency import Latency, LatencySettings
from plumbline.deployment.pipeline.gates.parity import ParitySettings, parity
from plumbline.deployment.pipeline.gates.performance import PerformanceSettings, performance
from plumbline.deployment.pipeline.gates.provenance import Provenance, ProvenanceSettings
from plumbline.deployment.pipeline.gates.robustness import RobustnessSettings, robustness
from plumbline.deployment.pipeline.gates.signature import SignatureSettings, signature
from plumbline.deployment.pipeline.rehearsal import Rehearsal, RehearsalSettings, Twin

GROUP = "plumbline.gates"
"""Entry point group: name → a gate, or a class without arguments whose instances are gates."""


@dataclass(frozen=True, slots=True)
class Limited:
    """What every gate's settings may hold.

    Args:
        time_limit_s: After this the gate is inconclusive.
    """

    __pydantic_config__: ClassVar[ConfigDict] = CLOSED
    time_limit_s: Seconds = 60.0


def _staging(situation: Situation) -> AbstractContextManager[Twin]:
    """Make a twin; its server's modules are loaded only when something is rehearsed."""
    from plumbline.deployment.pipeline.twin import staging

    return staging(situation)


BUILT_IN: Mapping[str, tuple[Gate, type[Any]]] = {
    "signature": (signature, SignatureSettings),
    "parity": (parity, ParitySettings),
    "performance": (performance, PerformanceSettings),
    "latency": (Latency(), LatencySettings),
    "robustness": (robustness, RobustnessSettings),
    "provenance": (Provenance(), ProvenanceSettings),
    "rehearsal": (Rehearsal(_staging), RehearsalSettings),
}
"""Name → gate and the type of its settings."""


def gates() -> tuple[str, ...]:
    """Return the names of all gates on this machine, the built-in ones first; no foreign code is loaded."""
    return (*BUILT_IN, *sorted(_brought()))


def settings_of(name: str) -> type[Any] | None:
    """Return the type of a built-in gate's settings; None for a gate of another package, which checks its own."""
    return BUILT_IN[name][1] if name in BUILT_IN else None


def gate(name: str) -> Gate:
    """Return a gate.

    Raises:
        InvalidError: There is none of that name, or what the package brings cannot be loaded or is no gate.
    """
    if name in BUILT_IN:
        return BUILT_IN[name][0]
    if name not in _brought():
        raise InvalidError(f"there is no gate '{name}'; known are {', '.join(gates())}", gate=name)
    return _loaded(name)


@cache
def _brought() -> dict[str, Any]:
    """Return entry points by name; a built-in gate cannot be replaced by an installed package."""
    return {one.name: one for one in entry_points(group=GROUP) if one.name not in BUILT_IN}


def _loaded(name: str) -> Gate:
    point = _brought()[name]
    try:
        found = point.load()
        made = found() if inspect.isclass(found) else found
    except Exception as error:
        raise InvalidError(f"gate '{name}' ({point.value}) cannot be loaded: {error}", gate=name) from error
    if not callable(made):
        raise InvalidError(f"gate '{name}' ({point.value}) is not callable", gate=name)
    gate: Gate = made
    return gate
