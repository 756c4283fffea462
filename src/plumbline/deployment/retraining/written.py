"""The keys of a retraining file, as they are written there; `declaration` makes sense of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from pydantic import ConfigDict

from plumbline.deployment.declared import Whole
from plumbline.deployment.pipeline.closed import CLOSED, Number
from plumbline.deployment.retraining.rules import Kind

WINDOW = 5_000
"""Newest mature rows that performance is measured on, if nothing else is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One reason to train again."""

    __pydantic_config__: ClassVar[ConfigDict] = CLOSED
    name: str
    kind: Kind
    measure: str | None = None
    above: Number | str | None = None
    below: Number | str | None = None
    until: Number | str | None = None
    lasting: str | Number = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bug:
    """A measure that shows a fault."""

    __pydantic_config__: ClassVar[ConfigDict] = CLOSED
    measure: str
    above: Number | None = None
    below: Number | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Most trainings within a time."""

    __pydantic_config__: ClassVar[ConfigDict] = CLOSED
    runs: Whole = 4
    within: str | Number = "7d"


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Two tables of inputs."""

    __pydantic_config__: ClassVar[ConfigDict] = CLOSED
    training: str
    recent: str
    ignore: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Prometheus:
    """Questions to a Prometheus."""

    __pydantic_config__: ClassVar[ConfigDict] = CLOSED
    url: str
    queries: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A model server's metrics."""

    __pydantic_config__: ClassVar[ConfigDict] = CLOSED
    metrics: str
    version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """The registry of the version that serves."""

    __pydantic_config__: ClassVar[ConfigDict] = CLOSED
    url: str | None = None
    blobs: str | None = None
    alias: str = "production"
    settle: str | Number = "1h"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observe:
    """Where to look."""

    __pydantic_config__: ClassVar[ConfigDict] = CLOSED
    labels: str | None = None
    window: Whole = WINDOW
    samples: Samples | None = None
    file: str | None = None
    prometheus: Prometheus | None = None
    server: Server | None = None
    registry: Registry | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """The whole file."""

    __pydantic_config__: ClassVar[ConfigDict] = CLOSED
    model: str
    rules: tuple[Rule, ...]
    observe: Observe
    pipeline: str | None = None
    start: tuple[str, ...] | None = None
    timeout: str | Number | None = None
    bugs: tuple[Bug, ...] = ()
    cool_down: str | Number = "1d"
    new_labels: Whole = 1_000
    label_delay: str | Number = 0.0
    budget: Budget = field(default_factory=Budget)
    state: str | None = None
