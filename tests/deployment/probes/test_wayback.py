"""The version before, read from a real registry."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from small_artefacts import AGE, LOOKING, artefact

from plumbline.deployment.core.signature import Feature
from plumbline.deployment.evidence_wayback import WayBack, wayback_from_registry
from plumbline.deployment.registry.store import Registry
from plumbline.evidence import Endpoint, UnavailableError

INCOME = Feature("income", minimum=0)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "registry"


@pytest.fixture
def promote(place: Path, tmp_path: Path) -> Callable[..., str]:
    """Register a version and point production at it."""

    def promoted(content: bytes, inputs: tuple[Feature, ...] = (AGE,)) -> str:
        with Registry.open(place) as registry:
            manifest, files = artefact(tmp_path / content.hex(), content, inputs)
            version = registry.register(manifest, files, by="me", looking=LOOKING).version
            before = registry.aliases("churn").get("production")
            registry.move("churn", "production", to=version, expect=before, by="me", why="tested")
        return version

    return promoted


def read(place: Path, golden: Path | None = None) -> WayBack:
    told = None if golden is None else str(golden)
    return wayback_from_registry(Endpoint("any", registry=str(place), model="churn", golden=told))


def blob(place: Path, version: str) -> Path:
    with Registry.open(place, read_only=True) as registry:
        one = registry.get("churn", version).manifest
        return registry.blobs.path(next(file.digest for file in one.files if file.path == one.entry))


def asks(path: Path, outputs: str = "score", **features: float | None) -> Path:
    inputs = [{"name": name, "shape": [1], "datatype": "FP64", "data": [cell]} for name, cell in features.items()]
    path.write_text(json.dumps([{"body": {"inputs": inputs}, "expect": {outputs: [0.5]}}]))
    return path


def test_a_first_version_has_nothing_before_it(place, promote) -> None:
    first = promote(b"one")
    assert read(place) == WayBack(current=first, target="")


def test_a_version_before_that_is_whole(place, promote) -> None:
    first, second = promote(b"one"), promote(b"two")
    assert read(place) == WayBack(current=second, target=first, files=2)


def test_a_deleted_file_is_missing_and_an_altered_one_damaged(place, promote) -> None:
    first, _ = promote(b"one"), promote(b"two")
    path = blob(place, first)
    path.chmod(0o600)
    path.write_bytes(b"eno")
    found = read(place)
    assert (found.damaged, found.missing, found.first_bad) == (1, 0, "model.onnx")
    path.unlink()
    found = read(place)
    assert (found.damaged, found.missing, found.first_bad) == (0, 1, "model.onnx")


def test_what_retention_took_is_said(place, promote) -> None:
    before, _ = promote(b"one"), promote(b"two")
    with Registry.open(place) as registry:
        registry.collect(keep_promoted=1, younger_than_s=0.0)
    found = read(place)
    assert (found.target, found.collected) == (before, True)


def test_callers_that_send_what_the_version_before_does_not_know_are_refused(place, promote, tmp_path: Path) -> None:
    promote(b"one")
    promote(b"two", (AGE, INCOME))
    found = read(place, asks(tmp_path / "golden.json", age=30.0, income=2000.0))
    assert (found.asked, found.refused) == (1, 1)
    assert "income" in found.refusal
    assert found.breaks == 1  # the contract says it as well
    assert read(place).asked is None


def test_callers_that_it_knows_are_taken_and_an_output_that_it_lacks_is_not(place, promote, tmp_path: Path) -> None:
    promote(b"one")
    promote(b"two")
    assert read(place, asks(tmp_path / "fits.json", age=30.0)).refused == 0
    found = read(place, asks(tmp_path / "more.json", outputs="reasons", age=30.0))
    assert "'reasons' is not among its answers" in found.refusal
    assert read(place, asks(tmp_path / "gap.json", age=None)).refused == 1


def test_a_registry_that_cannot_be_read_is_no_evidence(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError):
        read(tmp_path / "nowhere")
    with pytest.raises(UnavailableError, match="only a registry in a folder"):
        wayback_from_registry(Endpoint("any", registry="https://mlflow.example", model="churn"))
