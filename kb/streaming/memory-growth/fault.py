"""Each order has a channel of its own, and the bound on what all channels keep was lifted."""

import time
from pathlib import Path

from plumbline.lab import Fault, Felt, Lab, Topology, Workload

MIB = 1 << 20
LIFTED = 1 << 40
LOOK_S = 0.8
FELT_MIB_S = 1.3
"""A sixth of what the fault adds; a gateway at rest moves by some tens of KiB a second."""


class ChannelsWithoutEnd(Fault):
    """240 new channels a second, each with a message of 32 KiB that is kept: 8 MiB/s, and no end of it."""

    topology = Topology(
        settings={"history_total_bytes": 16 * MIB, "bytes_per_s": 0},
        memory_limit_bytes=768 * MIB,  # a minute and a half away: what is proven is the growth, not the kill
        restart_delay_s=0.5,
        workload=Workload(subscribers=2),
    )

    def inject(self, lab: Lab) -> None:
        """Lift the bound, as one does for a replay that came up short, and let the shop open."""
        for name in ("memory.swap.max", "memory.swappiness"):  # cgroup version 2, version 1: die, do not crawl
            if (lab.cgroup / name).exists():
                (lab.cgroup / name).write_text("0")
        config = Path(lab.environment["GATEWAY_CONFIG"])
        config.write_text(
            config.read_text().replace(f"history_total_bytes = {16 * MIB}", f"history_total_bytes = {LIFTED}")
        )
        lab.set(history_total_bytes=LIFTED)
        lab.client("unique_channels", "--prefix", "orders.", "--rate", "240", "--bytes", "32768")

    def felt(self, lab: Lab) -> Felt:
        """It hurts, before any client notices, as long as the process grows: seen from outside, in its page tables."""
        before, began = resident_bytes(lab.gateway.pid), time.monotonic()
        time.sleep(LOOK_S)
        rate = (resident_bytes(lab.gateway.pid) - before) / MIB / (time.monotonic() - began)
        return Felt(rate > FELT_MIB_S, f"the gateway's memory moves by {rate:.1f} MiB/s", {"mib_per_s": rate})

    def logs(self, lab: Lab) -> str:
        """Return what the gateway logged of itself: an operator leaves out who came and went."""
        return "\n".join(line for line in lab.logs().splitlines() if "connection closed" not in line)


def resident_bytes(pid: int) -> int:
    """Return what the process holds in memory; 0 when it is just being started again."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:"))
