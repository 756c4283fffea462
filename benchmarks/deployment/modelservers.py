"""The servers that `server.py` compares: ours, the least that could answer, and three that people use.

MLServer, MLflow and BentoML answer with scikit-learn's own `predict_proba`, one worker each, as their guides start.
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import common
import httpx
import peering
import psutil
import sklearn
from proxies import free_ports

from plumbline.deployment.serving.options import Options
from plumbline.deployment.serving.process import Server

MLSERVER = ("mlserver==1.7.1", "mlserver-sklearn==1.7.1")
MLFLOW = ("mlflow==3.17.2",)
BENTOML = ("bentoml==1.4.39",)
SKLEARN = f"scikit-learn=={sklearn.__version__}"
SCRIPTS = common.HERE / "servers"
OIP = {"content-type": "application/json"}


class Peer(NamedTuple):
    """A server that runs.

    Args:
        url: Where it is asked.
        pid: Its first process.
        asks: Turns a row and a request of the Open Inference Protocol into what this server is asked.
        probabilities: Reads its answer.
    """

    url: str
    pid: int
    asks: Callable[[list[float], dict[str, Any]], dict[str, Any]]
    probabilities: Callable[[Any], list[Any]]


Begin = Callable[[Path, Path], contextlib.AbstractContextManager[Peer]]


def _as_is(_row: list[float], body: dict[str, Any]) -> dict[str, Any]:
    return body


def _output(name: str) -> Callable[[Any], list[Any]]:
    return lambda answer: next(one["data"] for one in answer["outputs"] if one["name"] == name)


@contextlib.contextmanager
def on(core: int) -> Iterator[None]:
    """Let processes that are started within run on one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core} if core in before else before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def plumbline(folder: Path, _model: Path) -> Iterator[Peer]:
    """Run the model server, as it is shipped."""
    with on(0), Server(Options(model="churn", folder=str(folder), ref="latest", port=0)) as server:
        yield Peer(f"{server.url}/v2/models/churn/infer", server.pid, _as_is, _output("probabilities"))


@contextlib.contextmanager
def bare(_folder: Path, model: Path) -> Iterator[Peer]:
    """Run `servers/bare.py` under uvicorn."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(SCRIPTS), "bare:app"]
    command += ["--port", str(port), "--no-access-log", "--log-level", "warning", "--loop", "uvloop"]
    command += ["--http", "httptools", "--lifespan", "off", "--no-server-header", "--no-date-header"]
    with _process(command, port, {"MODEL": str(model)}) as pid:
        yield Peer(f"http://127.0.0.1:{port}/infer", pid, _as_is, _output("probabilities"))


@contextlib.contextmanager
def mlserver(folder: Path, _model: Path) -> Iterator[Peer]:
    """Run MLServer with its scikit-learn runtime, inference in the process that listens."""
    python = peering.environment("mlserver", *MLSERVER, SKLEARN)
    (port, grpc), home = free_ports(2), folder / "mlserver"
    home.mkdir()
    settings = {"host": "127.0.0.1", "http_port": port, "grpc_port": grpc, "metrics_endpoint": None}
    (home / "settings.json").write_text(json.dumps(settings | {"parallel_workers": 0, "debug": False}))
    model = {"name": "churn", "implementation": "mlserver_sklearn.SKLearnModel"}
    (home / "model-settings.json").write_text(
        json.dumps(model | {"parameters": {"uri": str(folder / "estimator.pkl")}})
    )

    def asks(row: list[float], _body: dict[str, Any]) -> dict[str, Any]:
        rows = {"name": "rows", "shape": [1, len(row)], "datatype": "FP64", "data": row}
        return {"inputs": [rows], "outputs": [{"name": "predict_proba"}]}

    with _process([str(python.with_name("mlserver")), "start", str(home)], port) as pid:
        url = f"http://127.0.0.1:{port}/v2/models/churn/infer"
        yield _ready(Peer(url, pid, asks, _output("predict_proba")), f"{url.removesuffix('infer')}ready")


@contextlib.contextmanager
def mlflow(folder: Path, _model: Path) -> Iterator[Peer]:
    """Run `mlflow models serve` with one worker."""
    python = peering.environment("mlflow", *MLFLOW)
    home, (port,) = folder / "mlflow", free_ports(1)
    subprocess.run([python, SCRIPTS / "mlflow_model.py", folder / "estimator.pkl", home], check=True)
    command = [str(python.with_name("mlflow")), "models", "serve", "-m", str(home), "--env-manager", "local"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    here = {"PATH": f"{python.parent}:{os.environ['PATH']}"}
    with _process(command, port, here) as pid:
        url = f"http://127.0.0.1:{port}/invocations"
        peer = Peer(url, pid, lambda row, _body: {"inputs": [row]}, lambda answer: list(answer["predictions"][0]))
        yield _ready(peer, f"http://127.0.0.1:{port}/ping")


@contextlib.contextmanager
def bentoml(folder: Path, _model: Path) -> Iterator[Peer]:
    """Run `bentoml serve` with one worker."""
    python, (port,) = peering.environment("bentoml", *BENTOML, SKLEARN), free_ports(1)
    command = [str(python.with_name("bentoml")), "serve", "bento:Churn", "--working-dir", str(SCRIPTS)]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    here = {
        "PATH": f"{python.parent}:{os.environ['PATH']}",
        "ESTIMATOR": str(folder / "estimator.pkl"),
        "BENTOML_HOME": str(folder / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
    }
    with _process(command, port, here) as pid:
        url = f"http://127.0.0.1:{port}/infer"
        peer = Peer(url, pid, lambda row, _body: {"rows": [row]}, lambda answer: list(answer[0]))
        yield _ready(peer, f"http://127.0.0.1:{port}/readyz")


SERVERS: dict[str, Begin] = {"plumbline": plumbline, "bare": bare}
PEERS: dict[str, Begin] = {"mlserver": mlserver, "mlflow": mlflow, "bentoml": bentoml}


@contextlib.contextmanager
def _process(command: list[str], port: int, more: dict[str, str] | None = None) -> Iterator[int]:
    """Run a server on the first core until the block ends, with all that it starts."""
    one_thread = {"OMP_NUM_THREADS": "1"}  # of one core; more threads would only wait for each other
    log = common.BENCH / "server.log"
    with on(0), log.open("w") as out:
        process = subprocess.Popen(command, env={**os.environ, **one_thread, **(more or {})}, stdout=out, stderr=out)
    try:
        _listens(port, process, log)
        yield process.pid
    finally:
        family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
        for one in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.terminate()
        for one in psutil.wait_procs(family, timeout=10)[1]:
            one.kill()
        process.wait()


def _listens(port: int, process: subprocess.Popen[bytes], log: Path, seconds: float = 120) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    last = log.read_text(errors="replace").strip().rpartition("\n")[2]
    raise peering.MissingPeerError(f"it does not listen (exit code {process.poll()}): {last}")


def _ready(peer: Peer, url: str, seconds: float = 120) -> Peer:
    """Return a peer when its own readiness address says so."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(url, timeout=5).is_success:
                return peer
        time.sleep(0.1)
    raise peering.MissingPeerError(f"{url} does not get ready")
