"""Does a server that loads a new version again and again keep the memory of the old ones?

    python benchmarks/deployment/reloads.py [--quick]

A real server process is told over its admin socket to load a forest of 100 trees, to give it all requests, and to let
go of the one before; a request is answered by each. Resident memory of the process after every reload; the growth is
the slope of a line through the reloads that follow the first 20, in which allocators settle. Bounds: 320 reloads, 20 of
them not counted; about a minute.
"""

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import common
import forests
import httpx
import numpy as np
import psutil

from plumbline.deployment.serving.options import Options
from plumbline.deployment.serving.process import Server

SETTLING = 20


def reloads(server: Server, versions: list[forests.Version], count: int) -> list[float]:
    """Reload so often and return the resident memory after each in MB."""
    process, body, sizes = psutil.Process(server.pid), json.dumps(forests.request()), []
    old, new = versions
    with httpx.Client(base_url=server.url, trust_env=False) as client:
        for _ in range(count):
            server.ask("prepare", digest=new.digest, epoch=1)
            server.ask("share", shares={new.digest: 1.0}, epoch=1)
            server.ask("retire", digest=old.digest, epoch=1)
            answer = client.post(f"/v2/models/{forests.MODEL}/infer", content=body)
            if answer.status_code != 200 or answer.headers["x-model-version"] != new.label:
                raise SystemExit(f"{answer.status_code}: {answer.text[:500]}")
            old, new = new, old
            sizes.append(process.memory_info().rss / 1e6)
    return sizes


def growth(sizes: list[float], settling: int) -> dict[str, Any]:
    """Return what a reload costs for ever."""
    counted = np.asarray(sizes[settling:])
    slope, _ = np.polyfit(np.arange(len(counted)), counted, 1)
    return {
        "reloads": len(counted),
        "mb_per_reload": round(float(slope), 4),
        "from_mb": round(float(counted[0]), 1),
        "to_mb": round(float(counted[-1]), 1),
        "most_mb": round(float(counted.max()), 1),
    }


def main() -> None:
    """Reload and print the growth."""
    given = common.arguments(__doc__)
    started = time.time()
    settling, count, trees = (2, 6, 5) if given.quick else (SETTLING, SETTLING + 300, 100)
    with tempfile.TemporaryDirectory(prefix="reloads-") as folder:
        versions = forests.registered(Path(folder), trees=trees)
        options = Options(
            model=forests.MODEL,
            registry=f"{folder}/registry",
            ref=versions[0].version,
            port=0,
            drain_grace_s=0.0,
            warmup_s=0.0,
        )
        with Server(options, Path(folder)) as server:
            sizes = reloads(server, versions, count)
    results = growth(sizes, settling) | {"model_bytes": versions[0].bytes, "series_mb": [round(s, 1) for s in sizes]}
    common.save("reloads", given.quick, started, results)
    common.table(["reloads", "MB per reload", "from MB", "to MB"], [list(results.values())[:4]])


if __name__ == "__main__":
    main()
