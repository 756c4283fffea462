"""The gateway is told to wait for its readers, and some of them stop reading."""

from plumbline.lab import Fault, Felt, Lab, Topology, Workload

MIB = 1 << 20


class ReadersStop(Fault):
    """`overflow=wait`: the queues of those who stopped grow until one is full, then nobody gets anything."""

    # 40 messages of 32 KiB a second: 2 MiB last 1.6 s, and the 1 MiB of the fix 0.8 s.
    topology = Topology(
        settings={"overflow": "disconnect", "queue_max_bytes": MIB},
        workload=Workload(subscribers=3, rate_hz=40.0, message_bytes=32768),
    )

    def inject(self, lab: Lab) -> None:
        """Let a full queue hold its publisher, switch off what would end a dead reader, and let three readers stop."""
        lab.set(
            overflow="wait",
            queue_max_bytes=2 * MIB,
            queue_max_messages=1_000_000,
            write_timeout_s=0,
            heartbeat_interval_s=0,
        )
        lab.client("paused_reader", "--count", "3", "--receive-buffer", "4096")

    def felt(self, lab: Lab) -> Felt:
        """It hurts when the *other* subscribers miss messages, or get them seconds late."""
        service = lab.service()
        hurts = service.delivery_ratio < 0.9 or service.p99_s > 2.0
        sentence = f"{service.delivery_ratio * 100:.0f} % of messages reach the others, p99 {service.p99_s:.1f} s"
        return Felt(hurts, sentence, {"delivery_ratio": service.delivery_ratio, "p99_s": service.p99_s})
