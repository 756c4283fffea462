"""A logistic model in ten lines, and everything that gates look at around it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plumbline.deployment.core.digests import digest_of
from plumbline.deployment.core.encoding import identity
from plumbline.deployment.core.gates import Evaluation, Side, Situation
from plumbline.deployment.core.manifest import File, Golden, Manifest
from plumbline.deployment.core.signature import Feature, Output, Signature
from plumbline.deployment.pipeline.journal import Journal

SIGNATURE = Signature(
    inputs=(
        Feature("age", minimum=0, maximum=120),
        Feature("spend", nullable=True),
        Feature("plan", kind="string", choices=("basic", "plus")),
    ),
    outputs=(
        Output("score", minimum=0, maximum=1),
        Output("label", kind="string", classes=("stays", "leaves")),
    ),
)


@dataclass
class Logistic:
    """A model that answers `sigmoid(...)`; `spoil` may change what it sees and gives."""

    digest: str
    signature: Signature
    slope: float = 0.08
    before: Callable[[dict[str, Any]], dict[str, Any]] = field(default=lambda rows: rows)
    after: Callable[[dict[str, Any]], dict[str, Any]] = field(default=lambda answers: answers)
    closed: bool = False

    def predict(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        rows = self.before(dict(inputs))
        spend = np.nan_to_num(np.asarray(rows["spend"], dtype=np.float64), nan=20.0)
        plus = (rows["plan"] == "plus").astype(np.float64)
        logit = self.slope * (np.asarray(rows["age"], dtype=np.float64) - 50) - 0.02 * (spend - 20) - 0.5 * plus
        score = 0.5 * (1 + np.tanh(logit / 2))
        label = np.where(score >= 0.5, "leaves", "stays").astype(object)
        return self.after({"score": score, "label": label})

    def close(self) -> None:
        self.closed = True


def rows(count: int, seed: int = 1) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    spend = rng.normal(20, 5, count)
    spend[:: max(count // 10, 1)] = np.nan
    return {
        "age": rng.uniform(18, 90, count),
        "spend": spend,
        "plan": rng.choice(["basic", "plus"], count).astype(object),
    }


def labels(inputs: dict[str, Any], seed: int = 2) -> Any:
    chance = Logistic("", SIGNATURE).predict(inputs)["score"]
    return np.where(np.random.default_rng(seed).random(len(chance)) < chance, "leaves", "stays").astype(object)


def columns(arrays: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
    return {
        name: tuple(None if isinstance(one, float) and math.isnan(one) else one for one in values.tolist())
        for name, values in arrays.items()
    }


@pytest.fixture
def a_side(tmp_path: Path) -> Callable[..., Side]:
    """Make one version with its file in a folder; keywords go to the model."""

    def make(version: str | None = "1.0.0", signature: Signature = SIGNATURE, **model: Any) -> Side:
        folder = tmp_path / f"side-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        data = f"weights {version} {sorted(model)}".encode()
        (folder / "model.onnx").write_bytes(data)
        asked = rows(5, seed=9)
        sound = Logistic("", signature, model.get("slope", Logistic.slope))  # as it was before it was spoilt
        golden = Golden(columns(asked), columns(sound.predict(asked)))
        manifest = Manifest(
            "churn", "onnx", "model.onnx", (File("model.onnx", digest_of(data), len(data)),), signature, golden
        )
        return Side(version, manifest, folder, Logistic(identity(manifest), signature, **model))

    return make


@pytest.fixture
def a_situation(a_side: Callable[..., Side]) -> Callable[..., Situation]:
    """Make a candidate beside production with 1,000 labelled rows; keywords replace parts."""

    def make(count: int = 1_000, **parts: Any) -> Situation:
        inputs = rows(count)
        found = Situation(
            candidate=a_side("1.0.1"),
            production=a_side("1.0.0"),
            evaluation=Evaluation(inputs, labels(inputs), "sha256:" + "0" * 64),
            seed=7,
        )
        return replace(found, **parts)

    return make


@pytest.fixture
def journal(quick_folder):
    journal = Journal(quick_folder / "deployments.db")
    yield journal
    journal.close()
