"""Reconnect storm: 15,000 are connected, 14,000 of them are cut at once and all come back at once.

    python benchmarks/streaming/storm.py [--quick]

Those who stay read one message each a second, and their p99 is stated; the accept queue's overflows are the kernel's
own count (ListenOverflows). A second storm cuts all of them. Bounds: 15,000 connections, two storms of at most 40 s.
"""

import time
from typing import Any

import common
import peers

from plumbline.streaming.load.run import Options, run


def storm(size: int, share: float, per_s: float, seconds: float) -> dict[str, Any]:
    """Return one row."""
    with peers.plumbline() as server:
        plan = common.plan(
            connections=size,
            groups=[{"name": "small", "channels": size // 10, "readers": 10, "publishers": 2}],
            phases=[
                common.ramp(per_s),
                common.quiet(),
                {
                    "name": "storm",
                    "seconds": seconds,
                    "storm": {"at_s": 2.0, "share": share},
                    "publish": [{"group": "small", "per_s": max(1, size // 100), "bytes": 128}],
                },
                common.quiet(),
            ],
            reconnect_s=1.0,
        )
        options = Options(urls=(server.url,), pids=(server.pid,), admins=server.admins)
        report = run(plan, options, common.progress)
    latency = report["phases"][2]["latency"]
    back = latency.get("reconnect", {"count": 0})
    return {
        "connections": size,
        "cut": round(share * size),
        "back": back["count"],
        "all_back_s": back.get("max_s"),
        "reconnect": back,
        "stayed": latency["delivery"],
        "replayed": latency.get("replayed", {"count": 0}),
        "overflows": sum(one["kernel"]["listen_overflows"] for one in report["samples"] if one["kernel"]),
        "retransmits": sum(one["kernel"]["retransmits"] for one in report["samples"] if one["kernel"]),
        "failures": report["connections"]["failures"],
        "ledger": report["ledger"],
        "recovery": report["recovery"],
        "bottleneck": report["bottleneck"]["sentence"],
        "seconds": report["seconds"],
    }


def main() -> None:
    """Measure both storms."""
    given = common.arguments(__doc__)
    started = time.time()
    size, per_s, seconds = (300, 500, 6.0) if given.quick else (15_000, 2500, 40.0)
    results = {
        "most of them": storm(size, 14 / 15, per_s, seconds),
        "all of them": storm(size, 1.0, per_s, seconds),
    }
    common.save("storm", given.quick, started, results, bounds={"connections": size})
    rows = [
        [
            name,
            f"{row['back']:,} of {row['cut']:,}",
            f"{row['all_back_s'] or 0:.2f}",
            row["overflows"],
            f"{row['stayed']['p99_s'] * 1000:.0f}",
            row["ledger"]["lost"],
        ]
        for name, row in results.items()
    ]
    common.table(["cut", "back", "all back s", "overflows", "p99 ms of those who stayed", "lost"], rows)


if __name__ == "__main__":
    main()
