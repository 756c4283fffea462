"""Each order has a channel of its own, and the bound on what all channels keep was lifted."""

from pathlib import Path

from plumbline.lab import Fault, HurtsWhen, Lab, Topology, Workload

MIB = 1 << 20
LIFTED = 1 << 40


class ChannelsWithoutEnd(Fault):
    """120 new channels a second, each with a message of 32 KiB that is kept: 4 MiB/s, until the kernel ends it."""

    topology = Topology(
        settings={"history_total_bytes": 16 * MIB, "bytes_per_s": 0},
        memory_limit_bytes=160 * MIB,
        restart_delay_s=0.5,
        workload=Workload(subscribers=2),
    )
    # It hurts at the end of each round only, when all clients are dropped.
    hurts_when = HurtsWhen(away_s=0.4, window_s=5.0)

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
        lab.client("unique_channels", "--prefix", "orders.", "--rate", "120", "--bytes", "32768")

    def logs(self, lab: Lab) -> str:
        """Return what the gateway logged of itself: an operator leaves out who came and went."""
        return "\n".join(line for line in lab.logs().splitlines() if "connection closed" not in line)
