"""What moving an alias costs: compare-and-set with history here, `set_registered_model_alias` of MLflow beside it.

    python benchmarks/deployment/aliases.py [--quick] [--peers mlflow]

Both on SQLite, in files of the same disk, in turns. Ours checks where the alias points and writes who moved it and why;
MLflow's replaces a row. MLflow is installed in an environment of its own under .plumbline/peers/ (about 1 GB); without
it ours is measured alone. Bounds: 5 turns of 200 moves each.
"""

import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import common
import forests
import numpy as np
import peering

from plumbline.deployment.registry.store import Registry

MLFLOW = "mlflow==3.17.2"
Turn = Callable[[int], list[float]]


def ours(registry: Registry, versions: list[forests.Version]) -> Turn:
    """Return a turn of moves in our registry."""
    names = [one.version for one in versions]
    registry.move(forests.MODEL, "production", to=names[1], expect=None, by="benchmark", why="the first")

    def turn(moves: int) -> list[float]:
        seconds = []
        for move in range(moves):
            old, new = names[1 - move % 2], names[move % 2]
            began = time.perf_counter()
            registry.move(forests.MODEL, "production", to=new, expect=old, by="benchmark", why="to and fro")
            seconds.append(time.perf_counter() - began)
        return seconds

    return turn


@contextmanager
def mlflow(folder: Path) -> Iterator[tuple[str, Turn]]:
    """Start MLflow's side and return its version and a turn."""
    python = peering.environment("mlflow", MLFLOW)
    words = [str(python), str(common.HERE / "mlflow_aliases.py"), str(folder)]
    with (folder / "mlflow.log").open("w") as log:
        child = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
    assert child.stdin is not None  # for the type checker: they are pipes
    assert child.stdout is not None
    with child:
        first = child.stdout.readline()
        if not first:
            last = (folder / "mlflow.log").read_text().strip().rpartition("\n")[2]
            raise peering.MissingPeerError(f"it does not start: {last}")

        def turn(moves: int) -> list[float]:
            print(moves, file=child.stdin, flush=True)
            seconds: list[float] = json.loads(child.stdout.readline())
            return seconds

        yield json.loads(first)["version"], turn
        child.stdin.close()


def summary(seconds: list[float]) -> dict[str, Any]:
    """Return percentiles in milliseconds."""
    p50, p99 = np.percentile(np.asarray(seconds) * 1000, [50, 99])
    return {"moves": len(seconds), "p50_ms": round(float(p50), 3), "p99_ms": round(float(p99), 3)}


def main() -> None:
    """Move in turns and print the ratio."""
    given = common.arguments(__doc__, peers={"default": "mlflow", "help": "which, comma-separated; empty for none"})
    started = time.time()
    turns, moves = (1, 20) if given.quick else (5, 200)
    missing, versions = {}, {}
    with tempfile.TemporaryDirectory(prefix="aliases-", dir=common.BENCH) as text, ExitStack() as stack:
        folder = Path(text)
        forest = forests.registered(folder, trees=5)
        racing = {"plumbline": ours(stack.enter_context(Registry.open(folder / "registry")), forest)}
        if "mlflow" in given.peers.split(","):
            try:
                versions["mlflow"], racing["mlflow"] = stack.enter_context(mlflow(folder))
            except peering.MissingPeerError as error:
                missing["mlflow"] = str(error)
                common.say(f"mlflow: not measured: {error}")
        seconds: dict[str, list[float]] = {name: [] for name in racing}
        for turn in racing.values():
            turn(4)
        for _ in range(turns):
            for name, turn in racing.items():
                seconds[name] += turn(moves)
    results = {name: summary(taken) for name, taken in seconds.items()}
    for row in results.values():
        row["times_ours"] = round(row["p50_ms"] / results["plumbline"]["p50_ms"], 1)
    packages = ("plumbline", "sqlalchemy")
    common.save("aliases", given.quick, started, results, packages, missing=missing, peers=versions)
    common.table(
        ["", "moves", "p50 ms", "p99 ms", "times ours"], [[name, *row.values()] for name, row in results.items()]
    )


if __name__ == "__main__":
    main()
