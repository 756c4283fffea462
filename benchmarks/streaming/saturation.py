"""Deliveries per second at saturation, beside nats-server's WebSocket.

    python benchmarks/streaming/saturation.py [--quick] [--peers plumbline,nats,floor]

500 readers of one channel, then 50; the publisher keeps 64 messages of 128 bytes on their way, as the slowest reader
sees it, so nobody's queue overflows and the server is always busy. This is a closed loop: only the rate is of interest.
Readers and publisher are `readers.c`, one thread: in Python they would cost more than the servers. Each reader checks
that every message came whole, once and in order. Every server is pinned to the first core, whatever threads it has, and
the readers to the second: the share of its core that each was busy says which of them was the limit. The gateway's
rates of commands, frames and bytes per client are off: one publisher is to send as much as it can. Bounds: 501
connections, 15 s a peer and size.
"""

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import common
import costs
import peers
from peers import Server

NO_RATES = ("commands_per_s", "frames_per_s", "bytes_per_s")  # of one client; the peers have none
PEERS = "floor,plumbline,nats,node,websockets"
SIZE = 128
BUSY = 0.9  # of a core: that of two which is above it was the limit


@contextlib.contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """Have what is started here run on one core alone; they are counted from 0, of those that we may use. None: any."""
    if core is None:
        yield
        return
    ours = os.sched_getaffinity(0)
    if len(ours) < 2:
        raise peers.MissingPeerError("server and readers need a core each, and there is one")
    os.sched_setaffinity(0, {sorted(ours)[core]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, ours)


def measure(server: Server, readers: int, window: int, seconds: float, core: int | None = 1) -> dict[str, Any]:
    """Return one peer's row; the readers run on that core.

    Raises:
        MissingPeerError: The readers gave up on it.
    """
    where, meter = urlsplit(server.url), costs.Meter(server.pid)
    words = [server.dialect, where.port, where.path or "/", readers, window, SIZE, seconds]
    with pinned(core):
        child = subprocess.Popen(
            [peers.build("readers"), *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    with child:
        last = ""
        for last in child.stdout:
            if last in ("began\n", "ended\n"):
                meter("full", last == "began\n")
        complaint = child.stderr.read().strip()
    if child.returncode:
        raise peers.MissingPeerError(complaint)
    return _row(json.loads(last), meter.cpu("full", "full") / 1e6) | {
        "readers": readers,
        "window": window,
        "version": server.version,
    }


def _row(account: dict[str, Any], server_cpu_s: float) -> dict[str, Any]:
    seconds, deliveries = account["seconds"], account["deliveries"]
    server, generator = round(server_cpu_s / seconds, 2), round(account["cpu_s"] / seconds, 2)
    busy = f"server {server:.0%} of its core, readers {generator:.0%} of theirs"
    who = "the server" if server >= BUSY else "the readers" if generator >= BUSY else "neither"
    return {
        "deliveries_per_s": round(deliveries / seconds, 1),
        "cpu_us_per_delivery": round(server_cpu_s * 1e6 / max(1, deliveries), 3),
        "server_cores": server,
        "readers_cores": generator,
        "lost": account["lost"],
        "repeated": account["repeated"],
        "bottleneck": f"{who}: {busy}",
    }


def peer(name: str, sizes: Sequence[int], window: int, seconds: float) -> list[dict[str, Any]]:
    """Return one peer's rows, one a number of readers; each has a server of its own.

    Raises:
        MissingPeerError: It cannot be had here.
    """
    words = [word for rate in NO_RATES for word in ("--set", f"{rate}=0")] if name == "plumbline" else []
    rows = []
    for readers in sizes:
        common.say(f"{name}: {readers} readers, {window} messages on their way")
        with contextlib.ExitStack() as stack:
            with pinned(0):
                server = stack.enter_context(peers.start(name, *words))
            rows.append(measure(server, readers, window, seconds))
    return rows


def main() -> None:
    """Measure the peers."""
    given = common.arguments(__doc__, peers={"default": PEERS, "help": "which, comma-separated"})
    started = time.time()
    sizes, window, seconds = ((50, 5), 16, 1.0) if given.quick else ((500, 50), 64, 15.0)
    results, missing = {str(readers): {} for readers in sizes}, {}
    for name in given.peers.split(","):
        try:
            for row in peer(name, sizes, window, seconds):
                results[str(row["readers"])][name] = row
        except peers.MissingPeerError as error:
            missing[name] = str(error)
            common.say(f"  not measured: {error}")
    for rows in results.values():
        base = rows.get("nats", {}).get("deliveries_per_s")
        for row in rows.values():
            row["nats_ratio"] = round(row["deliveries_per_s"] / base, 2) if base else None
    common.save("saturation", given.quick, started, results, missing=missing, bounds={"connections": sizes[0] + 1})
    keys = ("readers", "deliveries_per_s", "nats_ratio", "cpu_us_per_delivery", "lost", "repeated", "bottleneck")
    lines = [[name, *(row[key] for key in keys)] for rows in results.values() for name, row in rows.items()]
    common.table(["peer", "readers", "deliveries/s", "x nats", "us/delivery", "lost", "again", "limit"], lines)


if __name__ == "__main__":
    main()
