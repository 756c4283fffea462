"""One message to all 15,000: what a delivery costs, and how late the last one is, beside every peer.

    python benchmarks/streaming/broadcast.py [--quick] [--peers floor,plumbline,nats]

The same generator loads them all, one after the other in one run: everyone reads one channel, a message of 128 bytes
goes out every two seconds. CPU per delivery is that of the server's whole process tree (schedstat), in the run of
broadcasts and the two seconds after it, divided by the deliveries. No heartbeats: the bare server has none, so the
others' are set to come after the run. Bounds: 15,000 connections, 10 broadcasts, about
45 s a peer.
"""

import time
from typing import Any

import common
import costs
import peers
from peers import Server

from plumbline.streaming.load.run import Options, run

SIZE, EVERY_S = 128, 2.0
SLOW = {"granian": 5.0, "mosquitto": 3.0}  # seconds between broadcasts: theirs would overlap


def measure(server: Server, connections: int, messages: int, every_s: float, per_s: float) -> dict[str, Any]:
    """Return one peer's row."""
    meter = costs.Meter(server.pid)
    idle = meter.now()
    phases = [
        common.ramp(per_s),
        {
            "name": "broadcast",
            "seconds": messages * every_s,
            "completion": True,
            "publish": [{"group": "all", "per_s": 1 / every_s, "bytes": SIZE}],
        },
        common.quiet(),
    ]
    plan = common.plan(dialect=server.dialect, connections=connections, groups=[{"name": "all"}], phases=phases)
    options = Options(urls=(server.url,), pids=(server.pid,), admins=server.admins)
    report = run(plan, options, common.progress, meter)
    if report["ledger"]["delivered"] == 0:
        raise peers.MissingPeerError(f"nothing was delivered: {report['connections']['failures']}")
    phase = report["phases"][1]
    # Deliveries of the first messages can fall into the phases that follow; all of them are of this channel.
    arrived = report["ledger"]["delivered"]
    spent = meter.cpu("broadcast", "quiet2")
    standing = meter.began["broadcast"]
    return {
        "connections": connections,
        "handshakes_per_s": round(connections / (report["phases"][0]["ended_s"] - report["phases"][0]["began_s"]), 0),
        "deliveries": arrived,
        "lost": report["ledger"]["lost"],
        "cpu_us_per_delivery": round(spent / arrived, 2),
        "latency": phase["latency"]["delivery"],
        "completion": phase["latency"].get("completion", {"count": 0}),
        "resident_bytes_per_connection": round((standing["resident"] - idle["resident"]) / connections),
        "bottleneck": report["bottleneck"]["sentence"],
        "version": server.version,
    }


def main() -> None:
    """Measure all peers and print the table."""
    given = common.arguments(__doc__, peers={"default": ",".join(peers.PEERS), "help": "which, comma-separated"})
    started = time.time()
    connections, messages = (200, 3) if given.quick else (15_000, 10)
    results, missing = {}, {}
    for name in given.peers.split(","):
        common.say(f"{name}: {connections:,} connections")
        every_s = 0.5 if given.quick else SLOW.get(name, EVERY_S)
        try:
            with peers.start(name) as server:
                results[name] = measure(server, connections, messages, every_s, 500 if given.quick else 2500)
        except peers.MissingPeerError as error:
            missing[name] = str(error)
            common.say(f"  not measured: {error}")
    base = results.get("floor", {}).get("cpu_us_per_delivery")
    for row in results.values():
        row["floor_ratio"] = round(row["cpu_us_per_delivery"] / base, 2) if base else None
    common.save("broadcast", given.quick, started, results, missing=missing, bounds={"connections": connections})
    rows = [
        [
            name,
            row["cpu_us_per_delivery"],
            row["floor_ratio"],
            *(f"{row['latency'][key] * 1000:.0f}" for key in ("p50_s", "p99_s", "max_s")),
            f"{row['completion'].get('p50_s', 0) * 1000:.0f}",
            row["lost"],
        ]
        for name, row in results.items()
    ]
    common.table(["peer", "us/delivery", "x floor", "p50 ms", "p99 ms", "max ms", "all ms", "lost"], rows)


if __name__ == "__main__":
    main()
