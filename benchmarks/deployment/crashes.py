"""`kill -9` of the deployer at every moment of a deployment: how does it end, and how long after a restart?

    python benchmarks/deployment/crashes.py [--quick] [--ends]

A real registry, a real model server under requests, and the deployer as a process of its own. One deployment that ends
well and one of a candidate that answers a missing value with an error are watched first: every effect, before and after
it, and every end of a step is a moment at which the next deployer kills itself. Then another one is started to finish.
An end is inconsistent unless one version alone serves, the alias names it, it is the one that the journal's end says,
and no copy is left. A lease that the dead one left behind, so that the next deployment is refused for a while, is
counted beside it. Times: of the whole process, with its imports, and of the work in it; a watch of 0.1 s that was not
over is in both. Bounds: each moment once, about 40 of them.
"""

import importlib.util
import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import common
import onnx

from plumbline.deployment.core.digests import digest_of
from plumbline.deployment.core.lanes import COPY
from plumbline.deployment.core.manifest import File, Golden, Manifest
from plumbline.deployment.lanes.strict import Strict
from plumbline.deployment.pipeline.candidate import leave
from plumbline.deployment.pipeline.journal import Journal
from plumbline.deployment.registry.store import Registry
from plumbline.deployment.serving.options import Options
from plumbline.deployment.serving.process import Server

MODEL = "churn"
MODELS = common.ROOT / "tests" / "deployment" / "serving" / "conftest.py"
PIPELINE = """\
schema: plumbline.pipeline/1
model: {{name: churn, folder: build}}
test:
  - run: test -d build
gates:
  - {gate}
strategy: {{kind: blue-green, watch: 100ms}}
watch: {{least: 20, every: 20ms, drift: null}}
lane: {{admin: [admin.sock], metrics: ["{url}/metrics"]}}
"""
BODY = {
    "inputs": [
        {"name": "age", "shape": [1], "datatype": "INT64", "data": [40]},
        {"name": "balance", "shape": [1], "datatype": "FP64", "data": [None]},
    ]
}
Point = tuple[str, str]


def _models() -> ModuleType:
    spec = importlib.util.spec_from_file_location("serving_models", MODELS)
    assert spec is not None  # for the type checker: the file is there
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass
class World:
    """Registry, server, and where the build leaves candidates."""

    folder: Path
    server: Server
    models: ModuleType
    number: Iterator[int] = field(default_factory=itertools.count)

    def candidate(self, *, careless: bool = False) -> None:
        """Leave another candidate; a careless one answers a missing value with no number."""
        bias = next(self.number) / 1000
        data = self.models.graph(bias)
        if careless:
            graph = onnx.load_from_string(data)
            next(node for node in graph.graph.node if node.op_type == "MatMul").input[0] = "x"
            data = graph.SerializeToString()
        build = self.folder / "build"
        build.mkdir(exist_ok=True)
        (build / "model.onnx").write_bytes(data)
        golden = Golden(
            {"age": (40,), "balance": (100.0,), "visits": (2.0,)},
            {"score": (self.models.expected(40, 100, 2, bias),)},
        )
        file = File("model.onnx", digest_of(data), len(data))
        leave(build, Manifest(MODEL, "onnx", "model.onnx", (file,), self.models.SIGNATURE, golden))
        pipeline = PIPELINE.format(url=self.server.url, gate="provenance: {signed: false}" if careless else "signature")
        (self.folder / "pipeline.yml").write_text(pipeline, encoding="utf-8")

    def deploy(self, kill: Point | None = None, *, resume: bool = False) -> tuple[int, dict[str, Any], float]:
        """Run a deployer; return its code, what it said, and the seconds from its start to its end."""
        told = {
            "registry": str(self.folder / "registry"),
            "pipeline": str(self.folder / "pipeline.yml"),
            "moments": str(self.folder / "moments"),
            "kill": kill,
            "resume": resume,
        }
        (self.folder / "moments").unlink(missing_ok=True)
        began = time.perf_counter()
        words = [sys.executable, str(common.HERE / "deployer.py"), json.dumps(told)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        took = time.perf_counter() - began
        if done.returncode not in (0, -9):
            raise SystemExit(f"{kill}: {done.stderr}")
        return done.returncode, json.loads(done.stdout or "{}"), took

    def moments(self) -> list[Point]:
        """Return what happened in the last run of a deployer, each moment once."""
        lines = (self.folder / "moments").read_text(encoding="utf-8").splitlines()
        return list(dict.fromkeys((what, when) for what, when in map(json.loads, lines)))

    def pointed(self) -> str | None:
        """Return the digest that the alias points at."""
        with Registry.open(self.folder / "registry", read_only=True) as registry:
            version = registry.aliases(MODEL).get("production")
            return None if version is None else registry.get(MODEL, version).digest

    def wrong(self, before: str | None) -> list[str]:
        """Return what is inconsistent about the end of the last deployment, in words."""
        status, pointed = self.server.ask("status"), self.pointed()
        journal = Journal(self.folder / "registry" / "deployments.db")
        last = journal.deployments(MODEL)[0]
        versions = next((one.data["versions"] for one in journal.entries(last.id) if "versions" in one.data), None)
        journal.close()
        expected = versions["candidate"][1] if versions and last.ended == "promoted" else before
        found = {
            f"served: {status['shares']}, alias: {pointed}": status["shares"] != {pointed: 1.0},
            f"the journal ends with {last.ended}, the alias points at {pointed}": pointed != expected,
            "it is not over": last.ended is None,
            f"a copy is left: {status['ready']}": any(COPY in one for one in status["ready"]),
        }
        return [what for what, so in found.items() if so]

    def lease_left_s(self) -> float:
        """Return for how long the dead deployer's lease keeps the next one away, and let go of it."""
        with Registry.open(self.folder / "registry") as registry:
            lease = registry.leased(MODEL)
            if lease is None:
                return 0.0
            registry.release(registry.lease(MODEL, "benchmark", 1.0, take_over=True))
            return max(lease.expires_at - time.time(), 0.0)


@contextmanager
def world() -> Iterator[World]:
    """Start registry and server, with a first version that serves."""
    with tempfile.TemporaryDirectory(prefix="crashes-") as text:
        folder = Path(text)
        Registry.open(folder / "registry").close()
        options = Options(model=MODEL, registry=str(folder / "registry"), port=0, drain_grace_s=0.0, warmup_s=0.0)
        with Server(options, folder) as server:
            made = World(folder, server, _models())
            made.candidate()
            made.deploy()
            yield made


def killed(one: World, at: Point, *, careless: bool) -> dict[str, Any]:
    """Kill a deployer there, start another one, and return how that ended."""
    before = one.pointed()
    one.candidate(careless=careless)
    code, _, _ = one.deploy(at)
    restarted, said, took = one.deploy(resume=True)
    row = {
        "moment": " ".join(at),
        "candidate": "careless" if careless else "good",
        "was_killed": code == -9,
        "ended": said["ends"] or ["over before the restart"],
        "wrong": one.wrong(before) if restarted == 0 else ["the restart failed"],
        "lease_left_s": round(one.lease_left_s(), 1),
        "restart_s": round(took, 3),
        "finish_s": round(said["finish_s"], 3),
    }
    common.say(f"  {row['candidate']:<9} {row['moment']:<26} {row['ended'][0]:<24} {'; '.join(row['wrong'])}")
    return row


def main() -> None:
    """Kill everywhere and count."""
    ends = {"action": "store_true", "help": "count ends, leave times out: on a machine that does other things, too"}
    given = common.arguments(__doc__, ends=ends)
    started = time.time()
    rows, good = [], {"requests": 0, "failed": 0}
    with world() as one:
        url = f"{one.server.url}/v2/models/{MODEL}/infer"
        for careless in (False,) if given.quick else (False, True):
            with Strict(url, json.dumps(BODY).encode(), in_flight=1) as client:
                one.candidate(careless=careless)
                one.deploy()
                moments = one.moments()
                if careless:  # up to the watch both are alike
                    moments = [at for at in moments if at[0].startswith(("watch", "roll-back"))]
                moments = moments[-1:] if given.quick else moments
                rows += [killed(one, at, careless=careless) for at in moments]
            if not careless:
                good = {"requests": client.tally.requests, "failed": client.tally.failed}
    results: dict[str, Any] = {
        "moments": len(rows),
        "killed": sum(row["was_killed"] for row in rows),
        "inconsistent": sum(bool(row["wrong"]) for row in rows),
        "leases_left": sum(row["lease_left_s"] > 0 for row in rows),
        "requests_of_good": good["requests"],
        "failed_of_good": good["failed"],
    }
    for name in ("restart_s", "finish_s"):
        taken = [row.pop(name) for row in rows]
        if not given.ends:
            results[name] = common.spread(taken)
    words = " --quick" * given.quick + " --ends" * given.ends
    command = f"python benchmarks/deployment/crashes.py{words}"
    common.save("crashes", given.quick, started, results | {"rows": rows}, command=command)
    head = ["moments", "killed", "inconsistent", "leases left", "requests", "failed"]
    common.table(head, [list(results.values())[: len(head)]])


if __name__ == "__main__":
    main()
