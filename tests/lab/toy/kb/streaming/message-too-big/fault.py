"""The gateway accepts small messages only, from its next start on."""

from __future__ import annotations

from plumbline.lab import Fault, Felt, Lab, Topology, Workload


class SmallMessagesOnly(Fault):
    """Publishers are closed with 1009 at each message."""

    topology = Topology(
        settings={"max_message_bytes": 65536},
        workload=Workload(subscribers=2, rate_hz=20.0, connects_hz=4.0),
    )

    def inject(self, lab: Lab) -> None:
        """Deploy a configuration with a limit that is too small."""
        lab.gateway.restart(max_message_bytes=128)

    def felt(self, lab: Lab) -> Felt:
        """Nothing arrives."""
        service = lab.service(1.0)
        closed = sum(count for code, count in service.close_codes if code == 1009)
        return Felt(closed > 0, f"publishers were closed {closed} times with 1009", {"closed": float(closed)})
