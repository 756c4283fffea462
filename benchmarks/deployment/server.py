"""Requests per second of the model server, beside the least that could answer: one worker, one core, one ONNX session.

    apt-get install wrk
    python benchmarks/deployment/server.py            # a few minutes
    python benchmarks/deployment/server.py --quick    # seconds: checks that it works

Two models (logistic regression and a forest of 100 trees, 30 features), two forms of request (one matrix that names
its columns, and 30 named tensors), 1 row each, keep-alive connections. The servers take turns, so that a busy machine
is busy for all; the ratio is the median over turns. Processor time per request is read from /proc: it hardly depends
on what else the machine does. Before anything is measured, every answer is compared with scikit-learn's.
"""

import argparse
import contextlib
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import common
import httpx
import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from plumbline.deployment.core.encoding import encode
from plumbline.deployment.models import pack
from plumbline.deployment.serving.options import Options
from plumbline.deployment.serving.process import Server

FEATURES = [f"f{number}" for number in range(30)]
CONNECTIONS = 16
BAR = 0.8  # of the bare server's requests per second
PARITY = 1e-5
TICKS = os.sysconf("SC_CLK_TCK")
LUA = 'wrk.method = "POST"\nwrk.headers["content-type"] = "application/json"\nwrk.body = [==[{body}]==]\n'


class Peer(NamedTuple):
    """A server that runs: where it is asked, and its process."""

    url: str
    pid: int


def models() -> dict[str, Any]:
    """Return the estimators, fitted, and one row with its answer each."""
    random = np.random.default_rng(1)
    rows = random.normal(size=(2000, len(FEATURES)))
    labels = (rows @ random.normal(size=len(FEATURES)) + random.normal(size=2000) > 0).astype(int)
    made = {"logistic": LogisticRegression(max_iter=500), "forest": RandomForestClassifier(100, random_state=1)}
    return {name: (one.fit(rows, labels), rows) for name, one in made.items()}


def bodies(row: Any) -> dict[str, dict[str, Any]]:
    """Return the requests by form."""
    values = [round(float(one), 4) for one in row]
    shape = [1, len(values)]
    matrix = {"name": "inputs", "shape": shape, "datatype": "FP64", "data": values, "parameters": {"columns": FEATURES}}
    named = [
        {"name": name, "shape": [1], "datatype": "FP64", "data": [value]}
        for name, value in zip(FEATURES, values, strict=True)
    ]
    return {"matrix": {"inputs": [matrix]}, "named": {"inputs": named}}


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
        yield Peer(f"{server.url}/v2/models/churn/infer", server.pid)


@contextlib.contextmanager
def bare(_folder: Path, model: Path) -> Iterator[Peer]:
    """Run `servers/bare.py` under uvicorn."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(common.HERE / "servers"), "bare:app"]
    command += ["--port", str(port), "--no-access-log", "--log-level", "warning", "--loop", "uvloop"]
    command += ["--http", "httptools", "--lifespan", "off", "--no-server-header", "--no-date-header"]
    with on(0):
        process = subprocess.Popen(command, env=os.environ | {"MODEL": str(model)})
    try:
        wait_for(port, process)
        yield Peer(f"http://127.0.0.1:{port}/infer", process.pid)
    finally:
        process.terminate()
        process.wait()


# A peer with a virtual environment of its own (`.plumbline/peers/<name>`) is one more context manager here.
PEERS: dict[str, Callable[[Path, Path], contextlib.AbstractContextManager[Peer]]] = {
    "plumbline": plumbline,
    "bare": bare,
}


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as one:
        port: int = one.getsockname()[1]
        return port


def wait_for(port: int, process: subprocess.Popen[bytes], seconds: float = 60) -> None:
    """Return when a server listens."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise SystemExit(f"the server on port {port} does not listen (exit code {process.poll()})")


def agrees(peer: Peer, body: dict[str, Any], expected: list[float]) -> float:
    """Return how far a server's probabilities are from scikit-learn's."""
    answer = httpx.post(peer.url, json=body, timeout=30).raise_for_status().json()
    [found] = [one["data"] for one in answer["outputs"] if one["name"] == "probabilities"]
    off = float(np.abs(np.array(found) - np.array(expected)).max())
    if off > PARITY:
        raise SystemExit(f"{peer.url} is off by {off:g}")
    return off


def load(peer: Peer, body: dict[str, Any], seconds: int, folder: Path) -> dict[str, float]:
    """Ask as fast as the server answers, from the other core, and return what came of it."""
    script = folder / "post.lua"
    script.write_text(LUA.format(body=json.dumps(body, separators=(",", ":"))))
    command = [
        "wrk",
        "-t1",
        f"-c{CONNECTIONS}",
        f"-d{seconds}s",
        "--timeout",
        "30s",
        "--latency",
        "-s",
        str(script),
        peer.url,
    ]
    before = processor(peer.pid)
    with on(1):
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    used = processor(peer.pid) - before
    if "Non-2xx" in said or "Socket errors" in said:
        raise SystemExit(f"{peer.url}: {said}")
    [asked] = re.findall(r"(\d+) requests in", said)
    [rate] = re.findall(r"Requests/sec:\s+([\d.]+)", said)
    [(p99, unit)] = re.findall(r"99%\s+([\d.]+)(us|ms|s)\b", said)
    scale = {"us": 1e-3, "ms": 1.0, "s": 1e3}[unit]
    return {"per_s": float(rate), "cpu_us": used / int(asked) * 1e6, "p99_ms": float(p99) * scale}


def processor(pid: int) -> float:
    """Return the processor time that a process has used, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def compared(turns: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """Return medians by server, and the ratios to the bare one, turn by turn."""
    middle = {
        name: {key: round(statistics.median(turn[key] for turn in all_), 3) for key in all_[0]}
        for name, all_ in turns.items()
    }
    ratios = [ours["per_s"] / theirs["per_s"] for ours, theirs in zip(turns["plumbline"], turns["bare"], strict=True)]
    return {
        "servers": middle,
        "ratio_to_bare": round(statistics.median(ratios), 3),
        "ratios": [round(one, 3) for one in ratios],
        "ratio_of_processor_time": round(middle["bare"]["cpu_us"] / middle["plumbline"]["cpu_us"], 3),
    }


def measured(name: str, estimator: Any, rows: Any, args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Return what the servers do with one model."""
    manifest, files = pack(estimator, (rows, FEATURES), model="churn", folder=folder)
    (folder / "manifest.json").write_bytes(encode(manifest))
    seconds, turns = (1, 2) if args.quick else (args.seconds, args.turns)
    found: dict[str, Any] = {}
    with contextlib.ExitStack() as stack:
        peers = {peer: stack.enter_context(begin(folder, files["model.onnx"])) for peer, begin in PEERS.items()}
        for form, body in bodies(rows[0]).items():
            values = [round(float(one), 4) for one in rows[0]]
            expected = estimator.predict_proba([values])[0].tolist()
            parity = {peer: agrees(running, body, expected) for peer, running in peers.items()}
            taken: dict[str, list[dict[str, float]]] = {peer: [] for peer in peers}
            for _ in range(turns):
                for peer, running in peers.items():
                    taken[peer].append(load(running, body, seconds, folder))
            found[form] = compared(taken) | {"parity": parity}
            common.say(f"{name}, {form}: {found[form]['ratio_to_bare']} of the bare server")
    return found


def main() -> None:
    """Measure, print and save."""
    args = common.arguments(__doc__, seconds={"type": int, "default": 4}, turns={"type": int, "default": 7})
    if shutil.which("wrk") is None:
        raise SystemExit("the load comes from wrk: apt-get install wrk")
    started = time.time()
    results = {}
    for name, (estimator, rows) in models().items():
        with tempfile.TemporaryDirectory() as folder:
            results[name] = measured(name, estimator, rows, args, Path(folder))
    head = ("model", "form", "server", "requests/s", "p99 ms", "cpu us", "of bare", "of bare, cpu")
    lines = [
        (model, form, peer, f"{one['per_s']:,.0f}", one["p99_ms"], one["cpu_us"], *_ratios(peer, found))
        for model, forms in results.items()
        for form, found in forms.items()
        for peer, one in found["servers"].items()
    ]
    common.table(head, lines)
    packages = ("plumbline", "uvicorn", "uvloop", "httptools", "msgspec", "numpy", "onnxruntime")
    common.save("server", args.quick, started, results, packages, connections=CONNECTIONS, bar=BAR)


def _ratios(peer: str, found: dict[str, Any]) -> tuple[Any, Any]:
    return (found["ratio_to_bare"], found["ratio_of_processor_time"]) if peer == "plumbline" else ("", "")


if __name__ == "__main__":
    main()
