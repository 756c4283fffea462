"""Versions travel to MLflow's registry and back, over HTTP; the stand-in answers as MLflow 3.17.2 was seen to."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
import pytest
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
PROXY = "/api/2.0/mlflow-artifacts/artifacts"


class Refused(Exception):  # noqa: N818 (a word of the story)
    def __init__(self, status: int, code: str) -> None:
        self.status, self.body = status, {"error_code": code, "message": f"it is {code}"}


class Registry:
    """What the stand-in remembers."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.models: dict[str, list[dict[str, Any]]] = {}
        self.aliases: dict[tuple[str, str], str] = {}
        self.experiments: set[str] = set()
        self.metrics: list[Any] = []
        self.headers: list[Any] = []

    def answer(self, what: str, given: dict[str, Any]) -> dict[str, Any]:
        return getattr(self, what.replace("/", "_").replace("-", "_"))(given)

    def experiments_create(self, given: Any) -> Any:
        if given["name"] in self.experiments:
            raise Refused(400, "RESOURCE_ALREADY_EXISTS")
        self.experiments.add(given["name"])
        return {"experiment_id": "1"}

    def experiments_get_by_name(self, given: Any) -> Any:
        return {"experiment": {"experiment_id": "1", "name": given["experiment_name"]}}

    def runs_create(self, given: Any) -> Any:
        run = f"run{len(self.metrics)}"
        return {"run": {"info": {"run_id": run, "artifact_uri": f"mlflow-artifacts:/1/{run}/artifacts"}}}

    def runs_log_metric(self, given: Any) -> Any:
        self.metrics.append((given["key"], given["value"]))
        return {}

    def runs_update(self, given: Any) -> Any:
        assert given["status"] == "FINISHED"
        return {}

    def registered_models_create(self, given: Any) -> Any:
        if given["name"] in self.models:
            raise Refused(400, "RESOURCE_ALREADY_EXISTS")
        self.models[given["name"]] = []
        return {"registered_model": {"name": given["name"]}}

    def model_versions_create(self, given: Any) -> Any:
        versions = self.models.setdefault(given["name"], [])
        versions.append({**given, "version": str(len(versions) + 1)})
        return {"model_version": versions[-1]}

    def model_versions_get(self, given: Any) -> Any:
        for version in self.models.get(given["name"], []):
            if version["version"] == given["version"]:
                return {"model_version": version}
        raise Refused(404, "RESOURCE_DOES_NOT_EXIST")

    def model_versions_get_download_uri(self, given: Any) -> Any:
        return {"artifact_uri": self.model_versions_get(given)["model_version"]["source"]}

    def registered_models_alias(self, given: Any) -> Any:
        number = self.aliases.get((given["name"], given["alias"]))
        return self.model_versions_get({"name": given["name"], "version": number})

    def listed(self, folder: str) -> dict[str, Any]:
        inside = {path[len(folder) + 1 :].split("/")[0] for path in self.files if path.startswith(folder + "/")}
        return {"files": [{"path": name, "is_dir": f"{folder}/{name}" not in self.files} for name in sorted(inside)]}


class Handler(BaseHTTPRequestHandler):
    registry: Registry

    def log_message(self, *args: Any) -> None:
        """Be quiet."""

    def do(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        data = self.rfile.read(length) if length else self.chunks()
        self.registry.headers.append(self.headers.get("Authorization"))
        split = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(split.query).items()}
        try:
            status, body = 200, self.proxied(split.path, query, data)
        except Refused as refusal:
            status, body = refusal.status, json.dumps(refusal.body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def chunks(self) -> bytes:
        data = b""
        while self.headers.get("Transfer-Encoding") == "chunked" and (size := int(self.rfile.readline(), 16)):
            data += self.rfile.read(size)
            self.rfile.readline()
        return data

    def proxied(self, path: str, query: dict[str, str], data: bytes) -> bytes:
        if path == PROXY:
            return json.dumps(self.registry.listed(query["path"])).encode()
        if path.startswith(PROXY):
            name = unquote(path[len(PROXY) + 1 :])
            if self.command == "PUT":
                self.registry.files[name] = data
                return b"{}"
            if name.endswith("broken"):
                raise Refused(500, "INTERNAL_ERROR")
            return self.registry.files[name]
        what = path.removeprefix("/api/2.0/mlflow/")
        return json.dumps(self.registry.answer(what, json.loads(data) if data else query)).encode()

    do_GET = do_POST = do_PUT = do  # noqa: N815 (the base class's names)


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.fixture
def server(registry: Registry) -> Iterator[mlflow.Server]:
    http = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"registry": registry}))
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    client = mlflow.Server(f"http://127.0.0.1:{http.server_port}/", token="secret")
    yield client
    client.close()
    http.shutdown()
    thread.join()
    http.server_close()


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
