"""The interface of gates: a plain callable that looks at a candidate beside production and answers with verdicts.

A gate may answer with several verdicts (a whole validation suite does). What a gate needs and does not get is
inconclusive, never a pass; what it raises is a failure of the gate and counts as inconclusive too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from plumbline.deployment.core.manifest import Manifest
from plumbline.deployment.core.model import Arrays, Model
from plumbline.deployment.core.verdicts import Verdict


@dataclass(frozen=True, slots=True)
class Side:
    """One version as gates see it.

    Args:
        version: Its semantic version; None for a candidate that has none yet.
        manifest: What the registry stores of it.
        folder: Its files on this machine, verified by digest.
        model: Loaded and warm.
    """

    version: str | None
    manifest: Manifest
    folder: Path
    model: Model


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Labelled rows to measure on.

    Args:
        inputs: By feature name, `(n_rows, *shape)`.
        labels: True answers, `(n_rows,)`; None where nobody knows them.
        digest: Of the data, so that a verdict can be repeated.
    """

    inputs: Arrays
    labels: Any
    digest: str


@dataclass(frozen=True, slots=True)
class Situation:
    """All that a gate may look at. It changes nothing.

    Args:
        candidate: What wants to be promoted.
        production: What serves now; None for a first deployment.
        evaluation: Held-out rows, if the pipeline declares any.
        recent: Requests that production answered lately, by feature name; None where none were recorded.
        settings: The gate's own settings from the pipeline file.
        seed: Of everything random, derived from the candidate's digest: the same candidate, the same verdict.
    """

    candidate: Side
    production: Side | None
    evaluation: Evaluation | None = None
    recent: Arrays | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0


Gate = Callable[[Situation], Iterable[Verdict]]
"""Gates of other packages register under the entry point `plumbline.gates` by name."""
