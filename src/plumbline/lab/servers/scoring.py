"""A scoring service as teams write them: feature code of its own, an ONNX session, the Open Inference Protocol.

It checks nothing that `plumb model serve` checks, so what its feature code does wrong comes out as an answer.
Configuration: `columns` is the order in which features are put into the session's matrix ("model": as the model's file
says); a feature that is missing becomes its value in `defaults`, or NaN; values are multiplied by `factors`, then kept
within the two numbers of `clip`; with `finite` an answer that is not finite is an error, and `instead` stands in for
NaN. `log` names a file that gets the features of each row as the model gets them, under the request's `id`. `registry`,
`model` and `ref` say what it exports once, when it starts.
"""

from __future__ import annotations

import http.server
import json
import math
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from plumbline.deployment.registry.store import Registry
from plumbline.lab.servers.http import Answer, Config, arguments, log, send

DEFAULTS: dict[str, Any] = {
    "registry": "",
    "model": "churn",
    "ref": "production",
    "columns": "model",
    "defaults": {},
    "factors": {},
    "clip": {},
    "log": "",
    "finite": False,
    "instead": None,
}


class Scoring:
    """The service.

    Args:
        config: Its values.
        folder: Where the model's file goes.
    """

    def __init__(self, config: Config, folder: Path) -> None:
        self.config = config
        self.model = config["model"]
        with Registry.open(config["registry"], read_only=True) as registry:
            entry = registry.get(self.model, config["ref"]).manifest.entry
            registry.materialise(self.model, config["ref"], folder / "model")
        self._session = onnxruntime.InferenceSession(folder / "model" / entry)
        self._input = self._session.get_inputs()[0].name
        self._outputs = [one.name for one in self._session.get_outputs()]
        self._own: list[str] = json.loads(self._session.get_modelmeta().custom_metadata_map["plumbline.columns"])

    def handle(self, path: str, body: bytes) -> Answer:
        """Answer a request."""
        if path == "/v2/health/ready":
            return Answer(200, {"ready": True})
        if path == f"/v2/models/{self.model}":
            inputs = [{"name": name, "datatype": "FP64", "shape": [-1]} for name in self._own]
            return Answer(200, {"name": self.model, "platform": "onnx", "inputs": inputs})
        if path != f"/v2/models/{self.model}/infer":
            return Answer(404, {"error": f"no {path}"})
        asked = json.loads(body)
        matrix = self._features(asked["inputs"])
        if self.config["log"] and len(asked["inputs"]) > 1:
            self._note(asked.get("id"), matrix)
        told = self._session.run(None, {self._input: matrix.astype(np.float32)})
        return self._told(dict(zip(self._outputs, told, strict=True)))

    def _features(self, inputs: list[dict[str, Any]]) -> NDArray[np.float64]:
        """Return the matrix: one tensor is taken as it is, several are put side by side."""
        if len(inputs) == 1:
            return np.array(inputs[0]["data"], dtype=float).reshape(inputs[0]["shape"])
        sent = {one["name"]: one["data"] for one in inputs}
        return np.array([self._feature(name, sent.get(name, [None])) for name in self._columns()], dtype=float).T

    def _columns(self) -> list[str]:
        columns: list[str] = self._own if self.config["columns"] == "model" else self.config["columns"]
        return columns

    def _feature(self, name: str, values: list[float | None]) -> list[float]:
        stand_in = self.config["defaults"].get(name, float("nan"))
        factor = self.config["factors"].get(name, 1.0)
        least, most = self.config["clip"].get(name, (-math.inf, math.inf))
        return [stand_in if one is None else min(max(one * factor, least), most) for one in values]

    def _note(self, key: str | None, matrix: NDArray[np.float64]) -> None:
        """Append what the model gets to the log, a line for each row."""
        names, at = self._columns(), time.time()
        told = [{"key": key, "at": at} | dict(zip(names, row, strict=True)) for row in matrix.tolist()]
        with Path(self.config["log"]).open("a", encoding="utf-8") as file:  # one write: lines of threads do not mix
            file.write("".join(f"{json.dumps(one)}\n" for one in told))

    def _told(self, outputs: dict[str, NDArray[Any]]) -> Answer:
        for name, values in outputs.items():
            if values.dtype.kind != "f" or np.isfinite(values).all():
                continue
            if self.config["finite"]:
                return Answer(422, {"error": f"output '{name}' is not finite: a feature is missing"})
            if self.config["instead"] is not None:
                outputs[name] = np.nan_to_num(values, nan=self.config["instead"])
        shown = [{"name": name, "shape": one.shape, "data": one.ravel().tolist()} for name, one in outputs.items()]
        return Answer(200, {"model_name": self.model, "outputs": shown})


def main() -> None:
    """Serve until killed."""
    port, path = arguments()
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        service = Scoring(Config(path, DEFAULTS), Path(folder))
        Listener(("127.0.0.1", port), handler(service)).serve_forever()


class Listener(http.server.ThreadingHTTPServer):
    """The standard library's server, with room for connections that wait: its own 5 are soon too few."""

    request_queue_size = 512


def handler(service: Scoring) -> type[http.server.BaseHTTPRequestHandler]:
    """Return what answers one request for the service."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(b"")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers["Content-Length"])))

        def _answer(self, body: bytes) -> None:
            try:
                answer = service.handle(self.path, body)
            except Exception as error:  # noqa: BLE001 - a server answers and goes on
                log(f"ERROR {self.path}: {type(error).__name__}: {error}")
                answer = Answer(500, {"error": f"{type(error).__name__}: {error}"})
            send(self, answer.status, json.dumps(answer.value).encode())  # as Python does it: NaN is written NaN

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


if __name__ == "__main__":
    main()
