"""How long a whole deployment takes beside training and waiting, and how long the way back.

    python benchmarks/deployment/machinery.py [--quick]

The example of examples/deployment/ (logistic regression, four features), trained before the clock runs. Each run
deploys another candidate to a real server: registered, tested, through all seven gates (the rehearsal on a staging twin
among them), approval, switch; with a watch of 0 s, so nothing is waited for. The example's test starts a Python of its
own and is the author's, so it stands beside the machinery and not in it. Then rollbacks to and fro. Both once more as
commands: `plumb deploy` and `plumb rollback` from the shell, with the start of Python. Bounds: 5 deployments, 10
rollbacks.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import common

from plumbline.cli.deploying import opened
from plumbline.deployment.pipeline import recovery
from plumbline.deployment.pipeline.declaration import load
from plumbline.deployment.pipeline.opening import Place
from plumbline.deployment.pipeline.plan import Plan, planned
from plumbline.deployment.pipeline.world import Moment
from plumbline.deployment.registry.store import Registry
from plumbline.deployment.serving.options import Options
from plumbline.deployment.serving.process import Server

EXAMPLE = common.ROOT / "examples" / "deployment"
MODEL = "churn"
PIPELINE = """\
schema: plumbline.pipeline/1
model: {name: churn, folder: build}
test:
  - run: python check.py --folder build
evaluation: {file: data/holdout.csv, label: churned}
recent: {file: data/recent.jsonl, rows: 300}
gates:
  - signature
  - parity
  - performance: {metric: roc_auc, output: probabilities, margin: 0.02, limit: 0.7}
  - latency: {p99: 100.0, at_most: 10s} # it is the gate's own time that is measured, on whatever machine
  - robustness
  - provenance: {signed: false}
  - rehearsal
strategy: {kind: blue-green, watch: 0s}
lane: {admin: [admin.sock]}
"""


def trained(folder: Path, count: int) -> list[Path]:
    """Return the folders of so many candidates."""
    shutil.copytree(EXAMPLE, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("build", "data", "__pycache__"))
    (folder / "pipeline.yml").write_text(PIPELINE, encoding="utf-8")
    rows = ["--rows", "4000"]
    subprocess.run([sys.executable, "data.py", *rows], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    made = [folder / f"candidate-{number}" for number in range(count)]
    for number, one in enumerate(made):
        words = ["train.py", "--data", "data/train.csv", "--folder", str(one), "--strength", str(1 + number / 10)]
        subprocess.run([sys.executable, *words], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return made


@contextmanager
def served(folder: Path) -> Iterator[Server]:
    """Run a model server without a version."""
    registry = folder / "registry"
    Registry.open(registry).close()
    with Server(Options(model=MODEL, registry=str(registry), port=0, drain_grace_s=0.0), folder) as server:
        yield server


def use(folder: Path, candidate: Path) -> None:
    """Put a candidate where the pipeline takes it."""
    shutil.rmtree(folder / "build", ignore_errors=True)
    shutil.copytree(candidate, folder / "build")


def deployed(place: Place, folder: Path) -> dict[str, float]:
    """Deploy and return the seconds of each step and of the whole."""
    at = [("", time.perf_counter())]

    def listen(moment: Moment) -> None:
        if moment.when == "ended":
            at.append((moment.what, time.perf_counter()))

    plan = planned(load(folder / "pipeline.yml"), by="benchmark", why="benchmark")
    began = time.perf_counter()
    deployment, state = recovery.deploy(place.journal, plan, partial(place.controller, listen=listen))
    whole = time.perf_counter() - began
    if state.step != "promoted":
        last = place.journal.entries(deployment.id)[-1]
        raise SystemExit(f"{deployment.id}: {state.step}: {last.data.get('sentence')}")
    steps = {name: end - start for (_, start), (name, end) in pairwise(at)}
    return steps | {"whole": whole, "machinery": whole - steps["test"]}


def rolled_back(place: Place, to: str, before: Plan) -> float:
    """Roll back as `plumb rollback` does and return the seconds."""
    lane, path = before.lane, before.pipeline
    plan = Plan(MODEL, "benchmark", "benchmark", "production", "rollback", lane=lane, to=to, pipeline=path)
    began = time.perf_counter()
    _, state = recovery.roll_back(
        place.journal, place.registry, plan, partial(place.controller, listen=lambda _moment: None)
    )
    took = time.perf_counter() - began
    if state.step != "promoted":
        raise SystemExit(f"the rollback ended with {state.step}")
    return took


def command(folder: Path, *words: str) -> float:
    """Run `plumb` and return the seconds of the process."""
    began = time.perf_counter()
    plumb = Path(sys.executable).with_name("plumb")
    done = subprocess.run(
        [plumb, *words, "--registry", str(folder / "registry")], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr or done.stdout)
    return time.perf_counter() - began


def measured(folder: Path, deployments: int, rollbacks: int, commands: int) -> dict[str, Any]:
    """Deploy, roll back, and the same as commands."""
    candidates = trained(folder, 1 + deployments + commands)
    runs, back = [], []
    with served(folder), opened(str(folder / "registry"), None) as place:
        for candidate in candidates[: 1 + deployments]:
            use(folder, candidate)
            runs.append(deployed(place, folder))
            common.say(f"  {runs[-1]['machinery']:.3f} s")
        before = place.journal.deployments(MODEL)[0].plan
        newest = [one.version for one in place.registry.versions(MODEL)[:2]]
        back = [rolled_back(place, newest[1 - number % 2], before) for number in range(rollbacks)]
        whole: dict[str, list[float]] = {"deploy": [], "rollback": []}
        for candidate in candidates[1 + deployments :]:
            use(folder, candidate)
            whole["deploy"].append(command(folder, "deploy", str(folder / "pipeline.yml")))
            whole["rollback"].append(command(folder, "rollback", MODEL, "--why", "benchmark"))
    counted = runs[1:]  # the first has nothing to compare with, and imports what the gates need
    return {
        "machinery_s": common.spread(run["machinery"] for run in counted),
        "whole_s": common.spread(run["whole"] for run in counted),
        "first_s": round(runs[0]["machinery"], 4),
        "steps_s": {name: common.spread(run[name] for run in counted) for name in counted[0]
                    if name not in ("whole", "machinery")},
        "rollback_s": common.spread(back),
        "commands_s": {name: common.spread(taken) for name, taken in whole.items() if taken},
    }  # fmt: skip


def main() -> None:
    """Measure and print medians."""
    given = common.arguments(__doc__)
    started = time.time()
    with tempfile.TemporaryDirectory(prefix="machinery-", dir=common.BENCH) as text:
        results = measured(Path(text), *((1, 2, 0) if given.quick else (5, 10, 3)))
    common.save("machinery", given.quick, started, results, ("plumbline", "onnxruntime", "sqlalchemy"))
    rows = [[name, f"{one['median']:.3f}"] for name, one in results["steps_s"].items()]
    rows += [[name, f"{results[f'{name}_s']['median']:.3f}"] for name in ("machinery", "rollback")]
    common.table(["", "median s"], rows)


if __name__ == "__main__":
    main()
