"""Heartbeats are off, and a network full of clients goes away without a word."""

import time
from pathlib import Path

from plumbline.lab import Fault, Felt, Lab, Population, Topology, Workload

ROOM = 60  # connections that the gateway takes
PHONES = Population("phones", count=40, addresses=2)  # half of them at 127.0.0.1, half at 127.0.0.2
AGAIN = Population("phones-again", count=24, retry_s=0.5)
CUT = """
table inet cable {
    chain cut {
        type filter hook input priority 0; policy accept;
        ip saddr 127.0.0.2 drop
        ip daddr 127.0.0.2 drop
    }
}
"""


class CableCut(Fault):
    """Twenty phones vanish with their network and come back by another one: the gateway keeps their old places."""

    topology = Topology(
        netns=True,
        settings={
            "max_connections": ROOM,
            "heartbeat_interval_s": 2.0,
            "heartbeat_timeout_s": 1.0,
            "close_timeout_s": 0.5,
        },
        populations=(PHONES,),
        workload=Workload(subscribers=2, rate_hz=10.0, message_bytes=32, connects_hz=1.0),
        patience_s=1.0,
    )

    def inject(self, lab: Lab) -> None:
        """Switch off what would notice, cut the network of 127.0.0.2, and let its phones come back from elsewhere."""
        lab.set(heartbeat_interval_s=0, write_timeout_s=0)
        (lab.folder / "cable.nft").write_text(CUT)
        lab.spawn("cut-cable", "nft", "-f", "cable.nft")
        lab.populate(AGAIN)

    def felt(self, lab: Lab) -> Felt:
        """It hurts when those who come back are refused, because nobody has noticed that they were gone."""
        again = lab.population(AGAIN.name)
        sentence = f"{again.connected} of {again.wanted} phones are back, {again.failed} attempts failed"
        return Felt(again.connected < again.wanted, sentence, {"connected": float(again.connected)})

    def logs(self, lab: Lab) -> str:
        """Return what an operator would paste: the gateway has noticed nothing, the kernel has."""
        lab.spawn("ss", "sh", "-c", 'ss -to state all "( sport = :$GATEWAY_PORT )" | grep 127.0.0.2; echo done')
        log: Path = lab.folder / "ss.log"
        deadline = time.monotonic() + 10
        while "done" not in (text := log.read_text() if log.exists() else "") and time.monotonic() < deadline:
            time.sleep(0.05)
        return text.removesuffix("done\n")
