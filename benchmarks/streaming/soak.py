"""An hour of mixed load with faults: memory must stay flat, nothing may be lost.

    make soak                                    an hour
    SOAK_SECONDS=300 python benchmarks/streaming/soak.py

Two workers, 5,000 connections: small channels, one large one, requests, churn, slow readers now and then, a reconnect
storm in every round, and a worker killed in every third. The slope of the server's memory is fitted (least squares)
over the second half of the run, when caches are full. Bounds: 5,000 connections, the given time.
"""

import os
import time
from collections.abc import Iterator
from typing import Any

import common
import numpy as np
import peers

from plumbline.streaming.load.faults import Fault
from plumbline.streaming.load.run import Options, run

ROUND_S = 120.0


def phases(seconds: float, size: int, round_s: float) -> Iterator[dict[str, Any]]:
    """Return rounds of three phases each."""
    small = {"group": "small", "per_s": max(1, size // 50), "bytes": 128, "arrivals": "random"}
    large = {"group": "large", "per_s": 0.5, "bytes": 256}
    busy = {"publish": [small, large], "requests_per_s": max(1, size // 100)}
    rounds = max(1, min(30, round(seconds / round_s)))
    part = seconds / rounds / 3
    for number in range(rounds):
        yield {"name": f"mixed-{number}", "seconds": part, "churn_per_s": 5, **busy}
        yield {"name": f"storm-{number}", "seconds": part, "storm": {"at_s": part / 4, "share": 0.3}, **busy}
        yield {"name": f"slow-{number}", "seconds": part, "slow_readers": max(1, size // 500), **busy}


def slope(samples: list[dict[str, Any]]) -> dict[str, float]:
    """Return MiB per hour over the second half, and the memory at its ends in MiB."""
    half = [one for one in samples if one["servers"]][len(samples) // 2 :]
    at = np.array([one["at"] for one in half])
    memory = np.array([sum(process["resident_bytes"] for process in one["servers"]) for one in half]) / (1 << 20)
    per_s = float(np.polyfit(at, memory, 1)[0]) if len(half) > 2 else 0.0
    return {
        "mib_per_hour": round(per_s * 3600, 2),
        "from_mib": round(float(memory[0]), 1),
        "to_mib": round(float(memory[-1]), 1),
    }


def found(report: dict[str, Any]) -> dict[str, Any]:
    """Return of the report what is kept."""
    latency = [
        one["latency"]["delivery"] for one in report["phases"] if one["latency"].get("delivery", {}).get("count")
    ]
    return {
        "connections": report["scenario"]["connections"],
        "lasted_s": report["lasted_s"],
        "memory": slope(report["samples"]),
        "ledger": report["ledger"],
        "slow_readers": report["slow_readers"],
        "recovery": report["recovery"],
        "uptime": report["connections"]["uptime"],
        "faults": report["faults"],
        "worst_p99_s": max((one["p99_s"] for one in latency), default=None),
        "bottleneck": report["bottleneck"]["sentence"],
        "memory_series": [
            [one["at"], round(sum(process["resident_bytes"] for process in one["servers"]) / (1 << 20), 1)]
            for one in report["samples"][:: max(1, len(report["samples"]) // 300)]
            if one["servers"]
        ],
    }


def main() -> None:
    """Soak, and say what it came to."""
    given = common.arguments(__doc__)
    started = time.time()
    size = 200 if given.quick else 5000
    seconds = 12.0 if given.quick else float(os.environ.get("SOAK_SECONDS", "3600"))
    round_s = seconds if given.quick else ROUND_S
    with peers.plumbline("--workers", "2") as server:
        # The end of a killed worker is a fault of the machine: its clients must recover all of it.
        kills = [Fault("kill-worker", at) for at in np.arange(seconds / 4, seconds * 0.9, 3 * round_s).tolist()]
        plan = common.plan(
            connections=size,
            groups=[{"name": "small", "channels": size // 10, "readers": 10, "publishers": 2}, {"name": "large"}],
            phases=[common.ramp(1000), *phases(seconds, size, round_s), common.quiet()],
            settle_s=20,
        )
        options = Options(urls=(server.url,), pids=(server.pid,), admins=server.admins, faults=tuple(kills))
        report = run(plan, options, common.progress)
    results = found(report)
    common.save("soak", given.quick, started, results, bounds={"connections": size, "seconds": seconds})
    memory = results["memory"]
    print(f"memory   {memory['from_mib']} to {memory['to_mib']} MiB, slope {memory['mib_per_hour']} MiB an hour")
    print(f"lost     {report['ledger']['lost']:,} of {report['ledger']['expected']:,}")
    print(f"uptime   {report['connections']['uptime']:.4%}")
    raise SystemExit(1 if report["ledger"]["lost"] else 0)


if __name__ == "__main__":
    main()
