"""Hold 15,000 connections on one worker and 30,000 on two, with heartbeats, and say what each costs.

    python benchmarks/streaming/hold.py [--quick] [--seconds 60]

Each connection has one subscription and is pinged every 25 s. RSS per connection: resident memory of all of the
server's processes before and after the ramp. Slab: the kernel's own memory, from /proc/meminfo, divided by the
sockets of both ends, since client and server share this machine. Idle CPU: the server's process tree over the hold.
Bounds: 30,000 connections, two holds of 60 s, about 3 minutes.
"""

import time
from collections.abc import Sequence
from typing import Any

import common
import costs
import peers

from plumbline.streaming.load.run import Options, run


def hold(words: Sequence[str], connections: int, seconds: float, per_s: float) -> dict[str, Any]:
    """Return one row."""
    with peers.plumbline(*words) as server:
        meter = costs.Meter(server.pid)
        before = meter.now()
        plan = common.plan(
            connections=connections,
            # Channels of 10 readers each: as many subscriptions as connections.
            groups=[{"name": "own", "channels": connections // 10, "readers": 10}],
            phases=[common.ramp(per_s), common.quiet(), {"name": "hold", "seconds": seconds}],
        )
        options = Options(urls=(server.url,), pids=(server.pid,), admins=server.admins)
        report = run(plan, options, common.progress, meter)
    after = meter.began["hold"]
    closes = report["connections"]["closes"]
    sockets = 2 * connections
    return {
        "connections": connections,
        "held": report["seconds"][-1]["up"] - 1 if report["seconds"] else 0,  # the publisher is one more
        "dropped": sum(closes.values()),
        "closes": closes,
        "uptime": report["connections"]["uptime"],
        "seconds": seconds,
        "handshakes_per_s": round(connections / (report["phases"][0]["ended_s"] - report["phases"][0]["began_s"])),
        "resident_bytes_per_connection": round((after["resident"] - before["resident"]) / connections),
        "resident_bytes_before": before["resident"],
        "slab_bytes_per_socket": round((after["slab"] - before["slab"]) / sockets),
        "idle_cpu_share": round(meter.cpu("hold", "hold") / 1e6 / seconds, 4),
        "bottleneck": report["bottleneck"]["sentence"],
    }


def main() -> None:
    """Hold twice."""
    given = common.arguments(__doc__, seconds={"type": float, "default": 60.0, "help": "length of each hold"})
    started = time.time()
    size, seconds, per_s = (300, 4.0, 500) if given.quick else (15_000, given.seconds, 2500)
    results = {
        "one worker": hold([], size, seconds, per_s),
        "two workers": hold(["--workers", "2"], 2 * size, seconds, per_s),
    }
    common.save("hold", given.quick, started, results, bounds={"connections": 2 * size, "seconds": seconds})
    rows = [
        [
            name,
            f"{row['held']:,} of {row['connections']:,}",
            row["dropped"],
            f"{row['resident_bytes_per_connection'] / 1024:.1f}",
            f"{row['slab_bytes_per_socket'] / 1024:.1f}",
            f"{row['idle_cpu_share']:.1%}",
        ]
        for name, row in results.items()
    ]
    common.table(["", "held", "dropped", "KiB RSS/conn", "KiB slab/socket", "idle CPU"], rows)


if __name__ == "__main__":
    main()
