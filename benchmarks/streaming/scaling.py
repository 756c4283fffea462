"""Throughput from one worker to two on pinned cores, and what a delivery costs as connections grow.

    python benchmarks/streaming/scaling.py [--quick]

Workers: each is pinned to a core of its own. The readers, those of `saturation.py`, have the second core to themselves
beside one worker; beside two they run wherever there is room, so on two cores the gain is stated with what server and
readers used of them. Growth: the same 5,000 deliveries a second, in channels of ten readers, while 1,000, 5,000, 15,000
and 30,000 are connected; a broadcast to all at each size. Bounds: 30,000 connections, about 5 minutes.
"""

import time
from itertools import pairwise
from typing import Any

import common
import costs
import peers
import psutil
import saturation
from peers import Server

from plumbline.streaming.load.run import Options, run
from plumbline.streaming.load.sampling import server_pids
from plumbline.streaming.load.scenario import Scenario

BEND = 1.25  # a step that makes a delivery this much dearer is where the curve bends
WINDOW = 64  # messages on their way


def pin(server: Server, workers: int) -> list[int]:
    """Give each worker a core of its own; returns the pids that were pinned."""
    if not hasattr(psutil.Process, "cpu_affinity"):  # macOS
        return []
    serving = [pid for pid in server_pids((), server.admins) if pid != server.pid or workers == 1]
    for index, pid in enumerate(serving[:workers]):
        psutil.Process(pid).cpu_affinity([index % psutil.cpu_count()])
    return serving[:workers]


def throughput(workers: int, readers: int, seconds: float) -> dict[str, Any]:
    """Return deliveries per second at saturation: what the readers of `saturation.py` get of one channel."""
    words = [word for rate in saturation.NO_RATES for word in ("--set", f"{rate}=0")]
    words += ["--workers", str(workers)] if workers > 1 else []
    with peers.plumbline(*words) as server:
        pinned = pin(server, workers)
        row = saturation.measure(server, readers, WINDOW, seconds, 1 if workers == 1 else None)
    used, cores = row["server_cores"] + row["readers_cores"], psutil.cpu_count()
    return row | {
        "workers": workers,
        "pinned": len(pinned),
        "all_cores_in_use": round(used / cores, 3),
        "bottleneck": f"server {row['server_cores']:.2f} and readers {row['readers_cores']:.2f} of {cores} cores",
    }


def growing(connections: int, seconds: float, per_s: float) -> Scenario:
    """Return the load: small channels, then a broadcast to all every other second."""
    small = {"group": "small", "per_s": 500 if connections >= 1000 else connections // 10, "bytes": 128}
    everybody = {"group": "all", "per_s": 0.5, "bytes": 128}
    return common.plan(
        connections=connections,
        groups=[{"name": "small", "channels": connections // 10, "readers": 10}, {"name": "all"}],
        phases=[
            common.ramp(per_s),
            common.quiet(),
            {"name": "small", "seconds": seconds, "publish": [small]},
            common.quiet(1.5),
            {"name": "all", "seconds": 5 * 2.0, "completion": True, "publish": [everybody]},
            common.quiet(2.5),
        ],
    )


def growth(connections: int, seconds: float, per_s: float) -> dict[str, Any]:
    """Return what a delivery costs with so many connected."""
    workers = 1 if connections <= 19_000 else 2  # 20,000 file descriptors a process
    words = ["--workers", "2"] if workers == 2 else []
    with peers.plumbline(*words) as server:
        meter = costs.Meter(server.pid)
        options = Options(urls=(server.url,), pids=(server.pid,), admins=server.admins)
        report = run(growing(connections, seconds, per_s), options, common.progress, meter)
    small_phase, all_phase = report["phases"][2], report["phases"][4]
    idle, idle_kernel = meter.cpu("quiet2", "quiet2") / 2.0, meter.system("quiet2", "quiet2") / 2.0
    busy = meter.cpu("small", "quiet1-5") - idle * (seconds + 1.5)
    busy_kernel = meter.system("small", "quiet1-5") - idle_kernel * (seconds + 1.5)
    return {
        "connections": connections,
        "workers": workers,
        "lost": report["ledger"]["lost"],
        "small": {
            "deliveries_per_s": small_phase["deliveries_per_s"],
            "latency": small_phase["latency"]["delivery"],
            "cpu_us_per_delivery": round(busy / max(1, small_phase["deliveries"]), 2),
            "kernel_us_per_delivery": round(busy_kernel / max(1, small_phase["deliveries"]), 2),
        },
        "all": {
            "latency": all_phase["latency"]["delivery"],
            "completion": all_phase["latency"].get("completion", {"count": 0}),
            "cpu_us_per_delivery": round(meter.cpu("all", "quiet2-5") / max(1, all_phase["deliveries"]), 2),
            "kernel_us_per_delivery": round(meter.system("all", "quiet2-5") / max(1, all_phase["deliveries"]), 2),
        },
        "idle_cpu_share": round(idle / 1e6, 4),
        "bottleneck": report["bottleneck"]["sentence"],
    }


def bend(rows: list[dict[str, Any]]) -> list[str]:
    """Say where a delivery becomes dearer, and whether in the kernel or in the gateway, from the figures alone."""
    said = []
    for before, after in pairwise(rows):
        for kind, words in (("small", "in a channel of ten"), ("all", "of a broadcast")):
            was, now = before[kind], after[kind]
            if now["cpu_us_per_delivery"] < BEND * was["cpu_us_per_delivery"]:
                continue
            kernel = now["kernel_us_per_delivery"] - was["kernel_us_per_delivery"]
            rise = now["cpu_us_per_delivery"] - was["cpu_us_per_delivery"]
            said.append(
                f"from {before['connections']:,} to {after['connections']:,} connections a delivery {words} costs "
                f"{rise:.1f} us more, {kernel:.1f} of them in the kernel{_workers(before, after)}"
            )
    return said or [f"nowhere: no step makes a delivery {BEND:g} times as dear"]


def _workers(before: dict[str, Any], after: dict[str, Any]) -> str:
    if after["workers"] == before["workers"]:
        return ""
    return f"; there {after['workers']} workers begin, and what a message costs beside its deliveries is paid in each"


def main() -> None:
    """Measure both."""
    given = common.arguments(__doc__)
    started = time.time()
    sizes = [100, 300] if given.quick else [1000, 5000, 15_000, 30_000]
    readers, seconds, per_s = (80, 3.0, 500) if given.quick else (800, 15.0, 2500)
    workers = [throughput(number, readers, seconds) for number in (1, 2)]
    for row in workers:
        row["gain"] = round(row["deliveries_per_s"] / max(workers[0]["deliveries_per_s"], 1), 2)
    rows = [growth(size, seconds, per_s) for size in sizes]
    results = {"workers": workers, "growth": rows, "bend": bend(rows)}
    common.save("scaling", given.quick, started, results, bounds={"connections": sizes[-1]})
    common.table(
        ["workers", "deliveries/s", "gain", "us/delivery", "all cores"],
        [
            [
                one["workers"],
                f"{one['deliveries_per_s']:,.0f}",
                one["gain"],
                one["cpu_us_per_delivery"],
                one["all_cores_in_use"],
            ]
            for one in workers
        ],
    )
    common.table(
        ["connections", "us/delivery (10)", "us/delivery (all)", "p99 ms (10)", "p99 ms (all)"],
        [
            [
                f"{one['connections']:,}",
                one["small"]["cpu_us_per_delivery"],
                one["all"]["cpu_us_per_delivery"],
                f"{one['small']['latency']['p99_s'] * 1000:.1f}",
                f"{one['all']['latency']['p99_s'] * 1000:.0f}",
            ]
            for one in rows
        ],
    )
    for sentence in results["bend"]:
        print(sentence)


if __name__ == "__main__":
    main()
