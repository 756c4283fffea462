"""Deliveries per second at saturation, beside nats-server's WebSocket.

    python benchmarks/streaming/saturation.py [--quick] [--peers plumbline,nats,floor]

500 readers of one channel; the publisher keeps 64 messages on their way, as the slowest of eight readers sees it, so
nobody's queue overflows and the server is always busy. This is a closed loop: only the rate is of interest. The
generator costs about as much per delivery as the server, and the report says if it was the limit. The gateway's rates
of commands, frames and bytes per client are off: one publisher is to send as much as it can. Bounds: 500 connections,
15 s a peer.
"""

import time
from typing import Any

import common
import costs
import peers
from peers import Server

from plumbline.streaming.load.run import Options, run

NO_RATES = ("commands_per_s", "frames_per_s", "bytes_per_s")  # of one client; the peers have none
PEERS = "floor,plumbline,nats,node,websockets"


def measure(server: Server, readers: int, window: int, seconds: float) -> dict[str, Any]:
    """Return one peer's row."""
    meter = costs.Meter(server.pid)
    plan = common.plan(
        dialect=server.dialect,
        connections=readers,
        groups=[{"name": "all"}],
        phases=[
            common.ramp(1000),
            common.quiet(1.0),
            {
                "name": "full",
                "seconds": seconds,
                "publish": [{"group": "all", "per_s": 100_000, "bytes": 128, "window": window}],
            },
        ],
    )
    options = Options(urls=(server.url,), pids=(server.pid,), admins=server.admins)
    report = run(plan, options, common.progress, meter)
    phase = report["phases"][2]
    return {
        "readers": readers,
        "window": window,
        "deliveries_per_s": phase["deliveries_per_s"],
        "cpu_us_per_delivery": round(meter.cpu("full", "full") / max(1, phase["deliveries"]), 2),
        "lost": report["ledger"]["lost"],
        "bottleneck": report["bottleneck"]["sentence"],
        "version": server.version,
    }


def main() -> None:
    """Measure the peers."""
    given = common.arguments(__doc__, peers={"default": PEERS, "help": "which, comma-separated"})
    started = time.time()
    readers, window, seconds = (50, 16, 3.0) if given.quick else (500, 64, 15.0)
    results, missing = {}, {}
    for name in given.peers.split(","):
        common.say(f"{name}: {readers} readers, {window} messages on their way")
        try:
            words = [word for rate in NO_RATES for word in ("--set", f"{rate}=0")] if name == "plumbline" else []
            with peers.start(name, *words) as server:
                results[name] = measure(server, readers, window, seconds)
        except peers.MissingPeerError as error:
            missing[name] = str(error)
            common.say(f"  not measured: {error}")
    base = results.get("nats", {}).get("deliveries_per_s")
    for row in results.values():
        row["nats_ratio"] = round(row["deliveries_per_s"] / base, 2) if base else None
    common.save("saturation", given.quick, started, results, missing=missing, bounds={"connections": readers})
    rows = [
        [name, f"{row['deliveries_per_s']:,.0f}", row["nats_ratio"], row["cpu_us_per_delivery"], row["lost"]]
        for name, row in results.items()
    ]
    common.table(["peer", "deliveries/s", "x nats", "us/delivery", "lost"], rows)


if __name__ == "__main__":
    main()
