"""Requests per second of the model server, beside the least that could answer and servers that people use.

    apt-get install wrk
    python benchmarks/deployment/server.py            # some minutes, and the peers' installation before (about 2 GB)
    python benchmarks/deployment/server.py --quick --peers ''   # seconds: checks that it works

One worker, one core. Two models (logistic regression and a forest of 100 trees, 30 features), two forms of request (one
matrix that names its columns, and 30 named tensors), 1 row each, keep-alive connections. The servers take turns, so
that a busy machine is busy for all; the ratio is the median over turns. Processor time per request is read from /proc:
it hardly depends on what else the machine does. Before anything is measured, every answer is compared with
scikit-learn's. The peers get the same values as a matrix, in the form that each of them takes.
"""

import argparse
import contextlib
import json
import pickle
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import common
import httpx
import numpy as np
import psutil
from modelservers import BENTOML, MLFLOW, MLSERVER, PEERS, SERVERS, Peer, on
from peering import MissingPeerError
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from plumbline.deployment.core.encoding import encode
from plumbline.deployment.models import pack

FEATURES = [f"f{number}" for number in range(30)]
CONNECTIONS = 16
BAR = 0.8  # of the bare server's requests per second
PARITY = 1e-5
LUA = 'wrk.method = "POST"\nwrk.headers["content-type"] = "application/json"\nwrk.body = [==[{body}]==]\n'


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


def agrees(peer: Peer, body: dict[str, Any], expected: list[float]) -> float:
    """Return how far a server's probabilities are from scikit-learn's."""
    answer = httpx.post(peer.url, json=body, timeout=60).raise_for_status().json()
    off = float(np.abs(np.array(peer.probabilities(answer)) - np.array(expected)).max())
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
    """Return the processor time that a process and those it started have used, in seconds."""
    first = psutil.Process(pid)
    times = [one.cpu_times() for one in (first, *first.children(recursive=True))]
    return sum(one.user + one.system for one in times)


def compared(turns: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """Return medians by server, and our ratios to the others: the median over turns."""
    middle = {
        name: {key: round(statistics.median(turn[key] for turn in all_), 3) for key in all_[0]}
        for name, all_ in turns.items()
    }
    ratios = {
        name: [ours["per_s"] / one["per_s"] for ours, one in zip(turns["plumbline"], all_, strict=True)]
        for name, all_ in turns.items()
    }
    return {
        "servers": middle,
        "ratio_to_bare": round(statistics.median(ratios["bare"]), 3),
        "ratios": [round(one, 3) for one in ratios["bare"]],
        "ratio_of_processor_time": round(middle["bare"]["cpu_us"] / middle["plumbline"]["cpu_us"], 3),
        "times": {name: round(statistics.median(all_), 1) for name, all_ in ratios.items() if name in PEERS},
    }


class Race:
    """All servers of one model, and what they do.

    Args:
        estimator: The model.
        rows: What it was trained on.
        folder: For its files.
        wanted: Names of peers.
    """

    def __init__(self, estimator: Any, rows: Any, folder: Path, wanted: list[str]) -> None:
        self._estimator = estimator
        self._row = [round(float(one), 4) for one in rows[0]]
        self._folder = folder
        self._ends = contextlib.ExitStack()
        self.missing: dict[str, str] = {}
        manifest, files = pack(estimator, (rows, FEATURES), model="churn", folder=folder)
        (folder / "manifest.json").write_bytes(encode(manifest))
        (folder / "estimator.pkl").write_bytes(pickle.dumps(estimator))
        self._running: dict[str, Peer] = {}
        for name, begin in {**SERVERS, **{name: PEERS[name] for name in wanted}}.items():
            try:
                self._running[name] = self._ends.enter_context(begin(folder, files["model.onnx"]))
            except MissingPeerError as error:
                self.missing[name] = str(error)
                common.say(f"{name}: not measured: {error}")

    def close(self) -> None:
        """End all servers."""
        self._ends.close()

    def run(self, form: str, seconds: int, turns: int) -> dict[str, Any]:
        """Compare answers, then let the servers take turns."""
        body = bodies(self._row)[form]
        peers = {name: one for name, one in self._running.items() if form == "matrix" or name in SERVERS}
        asked = {name: one.asks(self._row, body) for name, one in peers.items()}
        expected = self._estimator.predict_proba([self._row])[0].tolist()
        parity = {name: agrees(one, asked[name], expected) for name, one in peers.items()}
        taken: dict[str, list[dict[str, float]]] = {name: [] for name in peers}
        for _ in range(turns):
            for name, one in peers.items():
                taken[name].append(load(one, asked[name], seconds, self._folder))
        return compared(taken) | {"parity": parity}


def measured(name: str, estimator: Any, rows: Any, args: argparse.Namespace) -> tuple[dict[str, Any], dict[str, str]]:
    """Return what the servers do with one model, and which could not be had."""
    seconds, turns = (1, 2) if args.quick else (args.seconds, args.turns)
    found: dict[str, Any] = {}
    wanted = [peer for peer in args.peers.split(",") if peer]
    with tempfile.TemporaryDirectory() as folder:
        race = Race(estimator, rows, Path(folder), wanted)
        with contextlib.closing(race):
            for form in ("matrix", "named"):
                found[form] = race.run(form, seconds, turns)
                beside = ", ".join(f"{ratio} x {peer}" for peer, ratio in found[form]["times"].items())
                common.say(
                    f"{name}, {form}: {found[form]['ratio_to_bare']} of the bare server{beside and '; ' + beside}"
                )
    return found, race.missing


def main() -> None:
    """Measure, print and save."""
    args = common.arguments(
        __doc__,
        seconds={"type": int, "default": 4},
        turns={"type": int, "default": 7},
        peers={"default": ",".join(PEERS), "help": "which, comma-separated; empty for none"},
    )
    if shutil.which("wrk") is None:
        raise SystemExit("the load comes from wrk: apt-get install wrk")
    started = time.time()
    results, missing = {}, {}
    for name, (estimator, rows) in models().items():
        results[name], gone = measured(name, estimator, rows, args)
        missing |= gone
    head = ("model", "form", "server", "requests/s", "p99 ms", "cpu us", "times theirs")
    lines = [
        (model, form, peer, f"{one['per_s']:,.0f}", one["p99_ms"], one["cpu_us"], _times(peer, found))
        for model, forms in results.items()
        for form, found in forms.items()
        for peer, one in found["servers"].items()
    ]
    common.table(head, lines)
    packages = ("plumbline", "uvicorn", "uvloop", "httptools", "msgspec", "numpy", "onnxruntime", "scikit-learn")
    versions = {"mlserver": MLSERVER[0], "mlflow": MLFLOW[0], "bentoml": BENTOML[0]}
    peers = {name: version.partition("==")[2] for name, version in versions.items() if name not in missing}
    more = {"connections": CONNECTIONS, "bar": BAR, "missing": missing, "peers": peers}
    common.save("server", args.quick, started, results, packages, **more)


def _times(peer: str, found: dict[str, Any]) -> Any:
    return found["ratio_to_bare"] if peer == "bare" else found["times"].get(peer, "")


if __name__ == "__main__":
    main()
