"""Versions travel to MLflow's registry and back, over HTTP; the stand-in answers as MLflow 3.17.2 was seen to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow_stand_in import Registry, serving
from sklearn.linear_model import LogisticRegression
from skops import io as skops_io

from plumbline.deployment.core.encoding import identity
from plumbline.deployment.core.errors import (
    CorruptError,
    DeploymentError,
    InvalidError,
    NotFoundError,
    UnavailableError,
    UntrustedError,
)
from plumbline.deployment.models import exchanging, mlflow, pack

X = np.random.default_rng(0).normal(size=(60, 2))
LOGISTIC = LogisticRegression().fit(X, X[:, 0] > 0)


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.fixture
def server(registry: Registry) -> Iterator[mlflow.Server]:
    with serving(registry) as url:
        client = mlflow.Server(url, token="secret")
        yield client
        client.close()


def packed(folder: Path, **more: Any) -> Any:
    return pack(LOGISTIC, (X, ["a", "b"]), model="churn", folder=folder, metrics={"auc": 0.9}, **more)


@pytest.mark.parametrize("kind", ["onnx", "skops"])
def test_what_was_given_comes_back_with_the_same_digest(kind: Any, server: Any, registry: Any, tmp_path: Path) -> None:
    manifest, files = packed(tmp_path / "one", format=kind)
    given = [exchanging.give(server, manifest, files, name="Churn", version="1.0.0") for _ in range(2)]
    assert given == ["1", "2"]
    assert registry.metrics == [("auc", 0.9)] * 2
    registry.aliases["Churn", "production"] = "2"
    back, paths = exchanging.take(server, "Churn", "production", folder=tmp_path / "two")
    assert identity(back) == identity(manifest)
    assert paths[manifest.entry].read_bytes() == files[manifest.entry].read_bytes()
    assert server.version("Churn", "2").tags["plumbline.digest"] == identity(manifest)
    assert set(registry.headers) == {"Bearer secret"}


def logged(registry: Registry, flavours: str, **files: bytes) -> None:
    """A version that somebody else logged."""
    registry.files["1/m/MLmodel"] = flavours.encode()
    registry.files |= {f"1/m/{name.replace('_', '.', 1)}": data for name, data in files.items()}
    registry.model_versions_create({"name": "theirs", "source": "mlflow-artifacts:/1/m", "run_id": ""})


SKOPS = "flavors: {sklearn: {serialization_format: skops, pickled_model: model.skops}}"
EXAMPLE = {"columns": ["a", "b"], "data": [[0.1, 0.2], [-1.0, 0.3]]}


def test_scikit_learn_in_a_skops_file_is_packed_anew(server: Any, registry: Any, tmp_path: Path) -> None:
    logged(registry, SKOPS, model_skops=skops_io.dumps(LOGISTIC))
    with pytest.raises(InvalidError, match="without an input example"):
        exchanging.take(server, "theirs", "1", folder=tmp_path)
    registry.files["1/m/input_example.json"] = json.dumps(EXAMPLE).encode()
    manifest, _ = exchanging.take(server, "theirs", "1", folder=tmp_path)
    assert [one.name for one in manifest.signature.inputs] == ["a", "b"]
    assert (manifest.format, manifest.lineage.parameters["mlflow.version"]) == ("onnx", "1")
    registry.files["1/m/input_example.json"] = b"[1]"
    with pytest.raises(InvalidError, match="no table with names"):
        exchanging.take(server, "theirs", "1", folder=tmp_path)


@pytest.mark.parametrize(
    ("flavours", "error", "match"),
    [
        ("flavors: {sklearn: {serialization_format: cloudpickle, pickled_model: model.pkl}}", UntrustedError, "pickle"),
        ("flavors: {pytorch: {}, python_function: {}}", InvalidError, "python_function, pytorch"),
        ("flavors: {onnx: {data: model.onnx}}", InvalidError, "does not hold"),
        ("flavors: {onnx: {data: model.skops}}", CorruptError, "empty"),
        ("flavors: {onnx: {data: graph.onnx}}", InvalidError, "no contract"),
        ("flavors: [", InvalidError, "no YAML"),
        ("- 1", InvalidError, "not a mapping"),
    ],
)
def test_what_cannot_be_taken_says_why(
    flavours: str, error: Any, match: str, server: Any, registry: Any, tmp_path: Path
) -> None:
    logged(registry, flavours, model_skops=b"", graph_onnx=b"\x08\x0a")
    with pytest.raises(error, match=match):
        exchanging.take(server, "theirs", "1", folder=tmp_path)


def test_a_folder_without_mlmodel_or_files_is_told(server: Any, registry: Any, tmp_path: Path) -> None:
    registry.model_versions_create({"name": "theirs", "source": "mlflow-artifacts:/1/m"})
    with pytest.raises(NotFoundError, match="holds no files"):
        exchanging.take(server, "theirs", "1", folder=tmp_path)
    registry.files["1/m/deep/notes.txt"] = b"x"
    with pytest.raises(InvalidError, match="no MLmodel"):
        exchanging.take(server, "theirs", "1", folder=tmp_path)
    registry.files["1/m/broken"] = b"x"
    with pytest.raises(UnavailableError, match="INTERNAL_ERROR"):
        exchanging.take(server, "theirs", "1", folder=tmp_path)


def test_an_exported_version_that_lost_a_file_or_a_byte_is_refused(server: Any, registry: Any, tmp_path: Path) -> None:
    manifest, files = packed(tmp_path)
    exchanging.give(server, manifest, files, name="churn", version="1.0.0")
    (path,) = [path for path in registry.files if path.endswith(".onnx")]
    registry.files[path] = registry.files[path][:-1]
    with pytest.raises(CorruptError, match="truncated"):
        exchanging.take(server, "churn", "1", folder=tmp_path / "back")
    del registry.files[path]
    with pytest.raises(InvalidError, match="does not hold"):
        exchanging.take(server, "churn", "1", folder=tmp_path / "back")


def test_a_version_that_is_not_there_and_files_elsewhere_are_told(server: Any, registry: Any, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="RESOURCE_DOES_NOT_EXIST"):
        server.version("no", "1")
    registry.model_versions_create({"name": "far", "source": "s3://bucket/model"})
    with pytest.raises(InvalidError, match="--serve-artifacts"):
        exchanging.take(server, "far", "1", folder=tmp_path)


def test_a_server_that_does_not_answer_and_one_that_is_no_mlflow_are_told(tmp_path: Path) -> None:
    import httpx

    def page(request: httpx.Request) -> httpx.Response:
        return httpx.Response(400, text="<html>no</html>")

    def down(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with pytest.raises(DeploymentError, match="<html>no"):
        mlflow.Server("http://x", client=httpx.Client(transport=httpx.MockTransport(page))).version("a", "1")
    with pytest.raises(UnavailableError, match="does not answer"):
        mlflow.Server("http://x", client=httpx.Client(transport=httpx.MockTransport(down))).version("a", "1")
