"""A model version as it is stored: its files by digest, its contract, where it comes from, how it was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from plumbline.deployment.core.signature import Signature

Format = Literal["onnx", "skops"]
"""What a model file may be. Pickle is not among them: loading one runs whatever its author wrote."""


@dataclass(frozen=True, slots=True)
class File:
    """One file of a version.

    Args:
        path: Inside the artefact, with `/`, relative, without `..`.
        digest: Of its bytes, `sha256:…`.
        size: In bytes.
    """

    path: str
    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where a version comes from; what is not known is None or empty, never guessed.

    Args:
        data: Digest of the training data.
        code: Revision of the code (a commit), `+dirty` appended when files differ from it.
        parameters: Hyperparameters, as given.
        environment: Packages by name and version, Python and platform among them.
        trained_at: Unix time in seconds.
        parent: Digest of the version it was trained from, if any.
    """

    data: str | None = None
    code: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    trained_at: float | None = None
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class Golden:
    """Rows whose answers are known: readiness, rehearsal and proof of an image all ask them.

    Args:
        inputs: By feature name, one list per feature, all of one length.
        outputs: What this version answered when it was registered, by output name.
        tolerance: Largest absolute difference that still counts as the same answer.
    """

    inputs: Mapping[str, tuple[Any, ...]]
    outputs: Mapping[str, tuple[Any, ...]]
    tolerance: float = 1e-5


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything of one version but its number, which is computed (`registry`). Its digest is the version's identity.

    Args:
        model: The model's name: lower case, digits, `-`, `_`, `.`.
        format: What the model file is.
        entry: Path of the model file among `files`.
        files: All files, sorted by path.
        signature: Contract with callers; never missing: a version without one cannot be registered.
        golden: Known rows and answers.
        lineage: Where it comes from.
        metrics: Offline measures by name (`roc_auc`), higher or lower better as the gate's declaration says.
        card: The model card, Markdown.
    """

    model: str
    format: Format
    entry: str
    files: tuple[File, ...]
    signature: Signature
    golden: Golden
    lineage: Lineage = Lineage()
    metrics: Mapping[str, float] = field(default_factory=dict)
    card: str = ""
