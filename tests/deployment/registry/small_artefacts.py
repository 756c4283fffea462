"""Small artefacts for a registry's tests: a model is one file whose name in it says how it behaves."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from plumbline.deployment.core.contract import Bump, Change, bump_of, compare
from plumbline.deployment.core.gates import Side
from plumbline.deployment.core.manifest import Golden, Manifest
from plumbline.deployment.core.model import Arrays
from plumbline.deployment.core.signature import Feature, Output, Signature
from plumbline.deployment.registry import Looking, described

AGE = Feature("age", minimum=0, maximum=120)
SCORE = Output("score", minimum=0, maximum=1)


class Fake:
    def __init__(self, digest: str, signature: Signature) -> None:
        self.digest, self.signature, self.closed = digest, signature, False

    def predict(self, inputs: Arrays) -> dict[str, Any]:
        return {"score": inputs["age"]}

    def close(self) -> None:
        self.closed = True


def load(folder: Path, manifest: Manifest, *, digest: str, threads: int | None) -> Fake:
    assert (folder / manifest.entry).stat().st_size
    return Fake(digest, manifest.signature)


@dataclass(frozen=True)
class Judged:
    changes: tuple[Change, ...]
    evidence: dict[str, Any] = field(default_factory=lambda: {"rows": 3})

    @property
    def bump(self) -> Bump:
        return bump_of(self.changes)


def judge(old: Side, new: Side) -> Judged:
    return Judged(compare(old.model.signature, new.model.signature))


LOOKING = Looking(judge, load)


def artefact(
    folder: Path, content: bytes = b"weights 1", inputs: tuple[Feature, ...] = (AGE,), model: str = "churn"
) -> tuple[Manifest, dict[str, Path]]:
    """Write a model file beside a text that all versions share, and describe both."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(content)
    (folder / "labels.txt").write_bytes(b"stays\nleaves\n")
    files = {name: folder / name for name in ("labels.txt", "model.onnx")}
    golden = Golden({"age": (30.0,)}, {"score": (0.5,)})
    return Manifest(model, "onnx", "model.onnx", described(files), Signature(inputs, (SCORE,)), golden), files
