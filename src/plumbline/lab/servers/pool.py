"""A scoring service behind worker processes that are replaced on SIGHUP, as gunicorn's and uvicorn's are.

The parent holds the listening socket, so that nobody is refused while workers change. A worker that gets SIGTERM takes
nothing new, answers what it has, and ends; one that has not ended after `grace_s` is killed, with what it has. An
answer takes `work_s`, as one does that asks a feature store first. Before its first answer a worker loads its model,
which takes `load_s`, as it does where the file comes from a store: with `warm` before it says that it is ready, without
when it is asked. Old workers go when the new ones have said it. All is read again at SIGHUP.
"""

from __future__ import annotations

import http.server
import json
import os
import signal
import socket
import threading
import time
from typing import Any

from plumbline.lab.churn import MODEL, PATH, Version
from plumbline.lab.servers.http import Answer, Config, arguments, log, send

DEFAULTS: dict[str, Any] = {"workers": 2, "work_s": 0.2, "grace_s": 30.0, "load_s": 0.0, "warm": True}
ASKED = frozenset({signal.SIGHUP, signal.SIGTERM, signal.SIGCHLD})
LOOK_EVERY_S = 0.05


class Scoring:
    """The model in one worker: the coefficients that its author wrote down.

    Args:
        work_s: How long an answer takes, in seconds.
        load_s: How long loading takes, in seconds.
    """

    def __init__(self, work_s: float, load_s: float = 0.0) -> None:
        self._version = Version()
        self._work_s = work_s
        self._load_s = load_s
        self._loading = threading.Lock()

    def load(self) -> None:
        """Load the model, if that was not done before; who comes meanwhile waits."""
        with self._loading:
            if self._load_s:
                time.sleep(self._load_s)
                log(f"INFO worker {os.getpid()} loaded the model in {self._load_s:.3f} s")
                self._load_s = 0.0

    def handle(self, path: str, body: bytes) -> Answer:
        """Answer a request."""
        if path in ("/v2/health/ready", "/v2/health/live"):
            return Answer(200, {"ready": True})
        if path == f"/v2/models/{MODEL}":
            inputs = [{"name": name, "datatype": "FP64", "shape": [-1]} for name in self._version.coefficients]
            return Answer(200, {"name": MODEL, "platform": "python", "inputs": inputs})
        if path != PATH:
            return Answer(404, {"error": f"no {path}"})
        return self._scored({one["name"]: one["data"] for one in json.loads(body)["inputs"]})

    def _scored(self, sent: dict[str, list[Any]]) -> Answer:
        names = self._version.coefficients.keys()
        rows = [dict(zip(sent, cells, strict=True)) for cells in zip(*sent.values(), strict=True)]
        numbers = (value for row in rows for value in row.values())
        if sent.keys() != names or not all(isinstance(one, int | float) and one - one == 0 for one in numbers):
            return Answer(422, {"error": f"wanted are finite numbers for {', '.join(names)}"})
        self.load()
        time.sleep(self._work_s)
        told = [cell for row in rows for p in (self._version.probability(row),) for cell in (1 - p, p)]
        outputs = [{"name": "probabilities", "datatype": "FP64", "shape": [len(rows), 2], "data": told}]
        return Answer(200, {"model_name": MODEL, "outputs": outputs})


def handler(scoring: Scoring) -> type[http.server.BaseHTTPRequestHandler]:
    """Return what answers requests of one worker."""

    class Handler(http.server.BaseHTTPRequestHandler):
        timeout = 5.0

        def do_GET(self) -> None:
            self._send(scoring.handle(self.path, b""))

        def do_POST(self) -> None:
            self._send(scoring.handle(self.path, self.rfile.read(int(self.headers["Content-Length"]))))

        def _send(self, answer: Answer) -> None:
            send(self, answer.status, json.dumps(answer.value).encode())

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


class Worker(http.server.ThreadingHTTPServer):
    """Takes connections from the parent's socket; its end waits for the answers that are under way."""

    daemon_threads = False

    def __init__(self, listener: socket.socket, scoring: Scoring) -> None:
        super().__init__(listener.getsockname(), handler(scoring), bind_and_activate=False)
        self.socket.close()
        self.socket = listener

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that are gone are no error of the server."""


def work(listener: socket.socket, config: Config, ready: int) -> None:
    """Say in a pipe that it is ready, answer until SIGTERM, and then what is under way."""
    scoring = Scoring(config["work_s"], config["load_s"])
    if config["warm"]:
        scoring.load()
    server = Worker(listener, scoring)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ASKED)
    os.write(ready, b"1")
    os.close(ready)
    server.serve_forever(poll_interval=LOOK_EVERY_S)
    server.server_close()


class Pool:
    """The parent of the workers; its signals are blocked, and waited for.

    Args:
        listener: The listening socket, not blocking: several workers see the same connection, and one gets it.
        config: Read at each SIGHUP.
    """

    def __init__(self, listener: socket.socket, config: Config) -> None:
        self._listener = listener
        self._config = config
        self._workers: set[int] = set()

    def run(self) -> None:
        """Keep the workers running until SIGTERM, and replace them on SIGHUP."""
        signal.pthread_sigmask(signal.SIG_BLOCK, ASKED)
        self._fill()
        while (asked := signal.sigwait(ASKED)) != signal.SIGTERM:
            if asked == signal.SIGHUP:
                old, self._workers = self._workers, set()
                self._fill()
                self._retire(old)
            self._workers -= ended(self._workers)
            self._fill()
        self._retire(self._workers)

    def _fill(self) -> None:
        """Start the workers that are missing, and wait until they have said that they are ready, or ended."""
        told, ready = os.pipe()
        missing = range(self._config["workers"] - len(self._workers))
        for _ in missing:
            child = os.fork()
            if child == 0:
                try:
                    work(self._listener, self._config, ready)
                finally:
                    os._exit(0)
            self._workers.add(child)
        os.close(ready)
        for _ in missing:
            os.read(told, 1)
        os.close(told)

    def _retire(self, old: set[int]) -> None:
        """Ask workers to end, and kill those that have not within the grace."""
        for one in old:
            os.kill(one, signal.SIGTERM)
        grace_s, left = self._config["grace_s"], set(old)
        deadline = time.monotonic() + grace_s
        while (left := left - ended(left)) and (rest_s := deadline - time.monotonic()) > 0:
            signal.sigtimedwait({signal.SIGCHLD}, rest_s)
        for one in left:
            log(f"WARNING worker {one} was still answering after {grace_s:g} s: killed")
            os.kill(one, signal.SIGKILL)
            os.waitpid(one, 0)
        log(f"INFO {len(old)} workers were replaced, {len(left)} of them killed")


def ended(some: set[int]) -> set[int]:
    """Return which of these children have ended; they are children no longer."""
    return {one for one in some if os.waitpid(one, os.WNOHANG)[0]}


def main() -> None:
    """Serve until SIGTERM."""
    port, path = arguments()
    with socket.create_server(("127.0.0.1", port), backlog=512) as listener:
        listener.setblocking(False)
        Pool(listener, Config(path, DEFAULTS)).run()


if __name__ == "__main__":
    main()
