"""A scoring service that loads its model anew while it runs, as after each retraining: a session and a feature table.

`versions_kept` of those it loaded stay in memory, the newest among them; a way back is quick then. Configuration: that
of `scoring`; `reload_s` between two loads; `table_kib` KiB of table for each version. `/metrics` counts in Prometheus'
format.
"""

from __future__ import annotations

import http.server
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from plumbline.lab.servers.http import Answer, Config, arguments, log, send
from plumbline.lab.servers.scoring import DEFAULTS, Listener, Scoring, handler

_DEFAULTS = DEFAULTS | {"reload_s": 0.4, "versions_kept": 1, "table_kib": 600}
_METRICS = """\
# TYPE scoring_model_loads counter
scoring_model_loads_total{{model="{model}"}} {loads}
# TYPE scoring_requests counter
scoring_requests_total{{model="{model}"}} {requests}
"""


class Reloading(Scoring):
    """The service.

    Args:
        config: Its values.
        folder: Where the model's file goes.
    """

    def __init__(self, config: Config, folder: Path) -> None:
        super().__init__(config, folder)
        self.loads = self.requests = 0
        self._options = onnxruntime.SessionOptions()
        self._options.intra_op_num_threads = 1
        (self._file,) = (path for path in (folder / "model").rglob("*.onnx"))
        self.versions: list[tuple[onnxruntime.InferenceSession, NDArray[np.float64]]] = []

    def reload(self) -> None:
        """Load the model once more, and let go of versions that are too many."""
        session = onnxruntime.InferenceSession(self._file, self._options)
        table = np.full(self.config["table_kib"] << 7, self.loads, dtype=np.float64)
        self._session = session
        self.versions.append((session, table))
        del self.versions[: -max(1, self.config["versions_kept"])]
        self.loads += 1
        log(f"INFO model '{self.model}' loaded, {self.loads} times so far; {len(self.versions)} in memory")

    def handle(self, path: str, body: bytes) -> Answer:
        """Answer a request."""
        self.requests += path.endswith("/infer")
        return super().handle(path, body)

    def metrics(self) -> str:
        """Return the page of metrics."""
        return _METRICS.format(model=self.model, loads=self.loads, requests=self.requests)


def with_metrics(service: Reloading) -> type[http.server.BaseHTTPRequestHandler]:
    """Return what answers one request, that for the metrics, too."""
    base: Any = handler(service)

    class Handler(base):  # type: ignore[misc]  # made by a function
        def do_GET(self) -> None:  # noqa: N802 - the base class calls it so
            if self.path != "/metrics":
                super().do_GET()
                return
            send(self, 200, service.metrics().encode(), "text/plain; version=0.0.4")

    return Handler


def repeat(service: Reloading) -> None:
    """Reload for ever."""
    while True:
        service.reload()
        time.sleep(service.config["reload_s"])


def main() -> None:
    """Serve until killed."""
    port, path = arguments()
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        service = Reloading(Config(path, _DEFAULTS), Path(folder))
        threading.Thread(target=repeat, args=(service,), daemon=True).start()
        Listener(("127.0.0.1", port), with_metrics(service)).serve_forever()


if __name__ == "__main__":
    main()
