"""An MLflow server as its registry's clients see it: paths and errors as MLflow 3.17.2 was seen to answer them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

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


@contextmanager
def serving(registry: Registry) -> Iterator[str]:
    """Serve it and give its address."""
    http = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"registry": registry}))
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{http.server_port}/"
    http.shutdown()
    thread.join()
    http.server_close()
