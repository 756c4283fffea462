"""The registry knows when the version that serves was trained, how good it was, and since when it serves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from plumbline.deployment.core.errors import NotFoundError
from plumbline.deployment.core.gates import Side
from plumbline.deployment.core.manifest import Golden, Lineage, Manifest
from plumbline.deployment.core.signature import Feature, Output, Signature
from plumbline.deployment.registry import Looking, described
from plumbline.deployment.registry.store import Registry
from plumbline.deployment.retraining.registered import registered


@dataclass
class Model:
    digest: str
    signature: Signature

    def close(self) -> None:
        """Nothing to let go of."""


def load(folder: Path, manifest: Manifest, *, digest: str, threads: int | None) -> Model:
    return Model(digest, manifest.signature)


def judge(old: Side, new: Side):
    pytest.fail("a first version is compared with nothing")


@pytest.fixture
def url(tmp_path: Path) -> str:
    (tmp_path / "model.onnx").write_bytes(b"weights")
    files = {"model.onnx": tmp_path / "model.onnx"}
    signature = Signature((Feature("age", minimum=0, maximum=120),), (Output("score", minimum=0, maximum=1),))
    golden = Golden({"age": (30.0,)}, {"score": (0.5,)})
    manifest = Manifest("churn", "onnx", "model.onnx", described(files), signature, golden)
    manifest = replace(manifest, lineage=Lineage(trained_at=500.0), metrics={"roc_auc": 0.9})
    with Registry.open(tmp_path / "registry", clock=lambda: 1_000.0) as registry:
        made = registry.register(manifest, files, by="test", looking=Looking(judge, load))
        registry.move("churn", "production", to=made.version, expect=None, by="test", why="first")
    return str(tmp_path / "registry")


def test_offline_metrics_and_the_time_of_training_come_from_the_version_that_serves(url: str) -> None:
    found = registered(url, "churn", "production", now=10_000.0, settle_s=3_600.0)
    assert (found.measures, found.trained_at, found.bugs) == ({"offline.roc_auc": 0.9}, 500.0, ())


def test_right_after_a_release_what_changed_may_be_the_release(url: str) -> None:
    found = registered(url, "churn", "production", now=1_600.0, settle_s=3_600.0)
    assert found.bugs == ("1.0.0 has been production for 10 min only: the release itself may be the cause",)


def test_a_model_that_nobody_promoted_is_not_found(url: str) -> None:
    with pytest.raises(NotFoundError):
        registered(url, "churn", "candidate", now=1.0, settle_s=1.0)
