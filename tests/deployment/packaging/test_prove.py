"""The image is run and asked; what it answered stands beside it. A stand-in for buildah runs a small server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from plumbline.deployment.core.errors import InvalidError, UnavailableError
from plumbline.deployment.core.manifest import Golden
from plumbline.deployment.packaging.image import Options
from plumbline.deployment.packaging.package import Packaged, package
from plumbline.deployment.packaging.prove import difference, prove, request


@pytest.fixture
def packaged(shelf: Any, options: Options, tmp_path: Path) -> Packaged:
    return package(shelf, "churn", "1.0.0", tmp_path / "out", options=options)


def lines(seen: Path) -> list[Any]:
    return [json.loads(line) for line in seen.read_text().splitlines()]


def test_the_answer_to_the_golden_rows_is_recorded_beside_the_layout(packaged: Packaged, seen: Path) -> None:
    proof = prove(packaged, clock=lambda: 0)
    assert (proof.passed, proof.largest_difference, proof.rows, proof.version) == (True, 0.0, 2, "1.0.0+abc")
    record = json.loads((packaged.folder / "proof.json").read_text())
    assert packaged.image is not None
    assert record["image"] == packaged.image.digest
    assert record["answer"] == {"score": [0.25, 0.5]}
    assert (record["at"], record["engine"]) == ("1970-01-01T00:00:00Z", "buildah version 9.9")


def test_the_image_runs_as_it_says_itself_on_loopback_and_is_removed(packaged: Packaged, seen: Path) -> None:
    prove(packaged)
    said = lines(seen)
    run = next(words for words in said if "run" in words)
    assert run[run.index("--isolation") + 1] == "chroot"
    assert run[run.index("--user") + 1] == "65532:65532"
    inside = run[run.index("--") + 1 :]
    assert inside[1:4] == ["/opt/plumbline/bin/plumb", "model", "serve"]
    assert inside[inside.index("--host") + 1] == "127.0.0.1"
    assert any("rm" in words for words in said)
    asked = next(one for one in said if isinstance(one, dict))
    assert asked["inputs"] == [
        {"name": "age", "shape": [2], "datatype": "INT64", "data": [30, 40]},
        {"name": "plan", "shape": [2], "datatype": "BYTES", "data": ["free", None]},
    ]
    assert not Path(run[run.index("--root") + 1]).exists()


@pytest.mark.parametrize("score", ["[0.25, 0.6]", "[0.25]", '[0.25, "high"]'])
def test_another_answer_fails_and_is_recorded(
    packaged: Packaged, seen: Path, monkeypatch: pytest.MonkeyPatch, score: str
) -> None:
    monkeypatch.setenv("SCORE", score)
    with pytest.raises(InvalidError, match="answers otherwise than the registered model"):
        prove(packaged)
    assert json.loads((packaged.folder / "proof.json").read_text())["passed"] is False


@pytest.mark.parametrize(
    ("mode", "kind", "sentence"),
    [
        ("refuses", UnavailableError, "buildah from failed with 1: Error: no such image"),
        ("dies", UnavailableError, "server ended with 3: ImportError: no module named onnxruntime"),
        ("rejects", InvalidError, "refuses its own golden rows .422.: .*no such input"),
        ("babbles", UnavailableError, "did not answer its golden rows"),
    ],
)
def test_what_went_wrong_is_one_sentence(
    packaged: Packaged, seen: Path, monkeypatch: pytest.MonkeyPatch, mode: str, kind: type[Exception], sentence: str
) -> None:
    monkeypatch.setenv("MODE", mode)
    with pytest.raises(kind, match=sentence):
        prove(packaged)
    assert not (packaged.folder / "proof.json").exists()


def test_a_server_that_is_never_ready_is_not_waited_for_without_end(
    packaged: Packaged, seen: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODE", "never")
    with pytest.raises(UnavailableError, match="not ready in time"):
        prove(packaged, patience_s=0.3)


def test_without_buildah_the_sentence_says_what_to_install(packaged: Packaged, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UnavailableError, match="apt-get install buildah"):
        prove(packaged)


def test_an_artefact_alone_cannot_be_run(shelf: Any, tmp_path: Path) -> None:
    packaged = package(shelf, "churn", "1.0.0", tmp_path / "out", options=None)
    with pytest.raises(InvalidError, match="add --image"):
        prove(packaged)


def test_rows_of_vectors_keep_their_shape(make: Any) -> None:
    golden = Golden({"age": ((1, 2), (3, 4), (5, 6))}, {})
    body = request(golden, make.version("1.0.0", b"").manifest)
    assert body["inputs"] == [{"name": "age", "shape": [3, 2], "datatype": "INT64", "data": [1, 2, 3, 4, 5, 6]}]


def test_labels_are_the_same_or_not() -> None:
    golden = Golden({}, {"label": ("yes", True)})
    assert difference({"label": ["yes", True]}, golden) == 0.0
    assert difference({"label": ["no", True]}, golden) == float("inf")
    assert difference({}, golden) == float("inf")
