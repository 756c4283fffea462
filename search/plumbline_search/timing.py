"""How long an answer takes, and how long until the first."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from plumbline.catalogue import Catalogue
from plumbline_search.engine import Engine
from plumbline_search.kinds import Kind, kind_of
from plumbline_search.suggest import Suggester

_READY = """
import json, sys, time
began = time.perf_counter()
from pathlib import Path
from plumbline.catalogue import Catalogue
from plumbline_search.service import Service
service = Service(Catalogue(Path(sys.argv[1]))).start()
service.answer(sys.argv[2])
lexical = time.perf_counter() - began
service.wait()
service.answer(sys.argv[2])
print(json.dumps({"first_s": lexical, "hybrid_s": time.perf_counter() - began, "mode": service.mode,
                  "torch": "torch" in sys.modules}))
"""


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds of uncached answers, all in, on one thread.

    Args:
        n: Answers that were timed.
        p50: Median.
        p99: 99th percentile.
        cpu_p50: Median of the processor time that the answering thread used: what it takes when the machine is idle.
    """

    n: int
    p50: float
    p99: float
    cpu_p50: float


@dataclass(frozen=True, slots=True)
class Start:
    """A fresh process, medians of several.

    Args:
        first_s: Until the first (lexical) answer, in seconds, imports included.
        hybrid_s: Until the first hybrid answer.
        mode: Mode in the end.
        torch: Whether torch was imported.
    """

    first_s: float
    hybrid_s: float
    mode: str
    torch: bool


def latency(engine: Engine, queries: list[str], rounds: int) -> dict[Kind, Latency]:
    """Time answers by kind of query; the engine itself caches nothing."""
    found: dict[Kind, Latency] = {}
    for kind in Kind:
        of_kind = [query for query in queries if kind_of(query) is kind]
        found[kind] = _timed(engine.answer, of_kind, rounds)
    return found


def suggesting(suggester: Suggester, texts: list[str], rounds: int) -> Latency:
    """Time suggestions over everything that is typed on the way to a text."""
    typed = [text[:end] for text in texts for end in range(3, min(len(text), 40), 3)]
    return _timed(suggester.suggest, typed, rounds)


def start(catalogue: Catalogue, query: str, times: int) -> Start:
    """Start fresh processes one after the other."""
    runs = [_started(catalogue.root, query) for _ in range(times)]
    return Start(
        float(np.median([run.first_s for run in runs])),
        float(np.median([run.hybrid_s for run in runs])),
        runs[-1].mode,
        any(run.torch for run in runs),
    )


def _started(root: Path, query: str) -> Start:
    done = subprocess.run(
        [sys.executable, "-c", _READY, str(root), query], check=True, capture_output=True, text=True, timeout=120
    )
    return Start(**json.loads(done.stdout.splitlines()[-1]))


def _timed(call: Callable[[str], object], texts: list[str], rounds: int) -> Latency:
    taken: list[tuple[float, float]] = []
    for _ in range(rounds):
        for text in texts:
            began, used = time.perf_counter(), time.thread_time()
            call(text)
            taken.append((time.perf_counter() - began, time.thread_time() - used))
    if not taken:
        return Latency(0, 0.0, 0.0, 0.0)
    wall, cpu = np.array(taken).T * 1000
    p50, p99 = np.percentile(wall, [50, 99])
    return Latency(len(taken), round(float(p50), 2), round(float(p99), 2), round(float(np.median(cpu)), 2))
