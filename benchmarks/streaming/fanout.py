"""15,000 connected, fan-out of up to 5,000 a message, 10,000 deliveries a second in all, also while a worker is killed.

    python benchmarks/streaming/fanout.py [--quick] [--seconds 120]

One message a second goes to 5,000 readers, and 500 a second go to channels of ten readers: 10,000 deliveries a
second. Then the same on two workers for five times as long, of which the fuller one is killed a third of the way in;
its clients come back within half a second and recover by offset. One death costs half of all clients what it takes to
come back, so what it does to the uptime depends on how long the run is: the seconds away are stated beside it.
Bounds: 15,000 connections, runs of two and of ten minutes, about 13 minutes.
"""

import time
from collections.abc import Sequence
from typing import Any

import common
import peers

from plumbline.streaming.load.faults import Fault
from plumbline.streaming.load.run import Options, run
from plumbline.streaming.load.scenario import Scenario


def load(size: int, seconds: float, per_s: float) -> Scenario:
    """Return the load: one channel of a third of all readers, and many small ones."""
    small = 500 * size // 15_000
    publish = [
        {"group": "large", "per_s": 1, "bytes": 128},
        {"group": "small", "per_s": max(1, small), "bytes": 128, "arrivals": "random"},
    ]
    return common.plan(
        connections=size,
        groups=[
            {"name": "large", "channels": 1, "readers": size // 3},
            {"name": "small", "channels": small, "readers": 10, "publishers": 2},
        ],
        phases=[
            common.ramp(per_s),
            common.quiet(),
            {"name": "fanout", "seconds": seconds, "publish": publish},
            common.quiet(),
        ],
        settle_s=20,
        reconnect_s=0.5,
    )


def measure(words: Sequence[str], plan: Scenario, faults: Sequence[Fault] = ()) -> dict[str, Any]:
    """Return one row and its seconds."""
    with peers.plumbline(*words) as server:
        options = Options(urls=(server.url,), pids=(server.pid,), admins=server.admins, faults=tuple(faults))
        report = run(plan, options, common.progress)
    phase, connections = report["phases"][2], report["connections"]
    return {
        "connections": plan.connections,
        "fan_out": plan.groups[0].readers,
        "deliveries_per_s": phase["deliveries_per_s"],
        "latency": phase["latency"]["delivery"],
        "replayed": phase["latency"].get("replayed", {"count": 0}),
        "reconnect": phase["latency"].get("reconnect", {"count": 0}),
        "ledger": report["ledger"],
        "recovery": report["recovery"],
        "uptime": connections["uptime"],
        "away_s": round(connections["wanted_s"] - connections["up_s"], 1),
        "wanted_s": connections["wanted_s"],
        "closes": connections["closes"],
        "faults": report["faults"],
        "messages": report["messages"],
        "bottleneck": report["bottleneck"]["sentence"],
        "seconds": report["seconds"],
    }


def main() -> None:
    """Measure both."""
    given = common.arguments(__doc__, seconds={"type": float, "default": 120.0, "help": "length of each run"})
    started = time.time()
    size, seconds, per_s = (300, 6.0, 500) if given.quick else (15_000, given.seconds, 2500)
    longer = seconds if given.quick else 5 * seconds
    kill = Fault("kill-worker", longer / 3)
    results = {
        "one worker": measure([], load(size, seconds, per_s)),
        "two workers, one killed": measure(["--workers", "2"], load(size, longer, per_s), [kill]),
    }
    common.save("fanout", given.quick, started, results, bounds={"connections": size, "seconds": seconds})
    rows = [
        [
            name,
            f"{row['deliveries_per_s']:,.0f}",
            *(f"{row['latency'][key] * 1000:.1f}" for key in ("p50_s", "p99_s", "max_s")),
            row["ledger"]["lost"],
            f"{row['uptime']:.4%}",
            row["recovery"]["recovered"],
        ]
        for name, row in results.items()
    ]
    common.table(["", "deliveries/s", "p50 ms", "p99 ms", "max ms", "lost", "uptime", "recovered"], rows)


if __name__ == "__main__":
    main()
