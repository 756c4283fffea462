"""The unit grants less time than the drain needs, and deployment follows deployment."""

from pathlib import Path

from plumbline.lab import Fault, Felt, Lab, Topology, Workload

WITHOUT_A_WORD = 1006  # RFC 6455, 7.1.5: no close frame
DEPLOY = "while :; do restart-gateway; sleep 3; done"
"""Rolling out again and again, as during a busy afternoon: so what was changed shows at the next one."""


class KilledWhileDraining(Fault):
    """Somebody wants quicker deployments, and cuts the unit's stop time-out down to 0.2 s; the drain takes 1.5 s."""

    topology = Topology(settings={"drain_s": 1.5}, workload=Workload(subscribers=8, rate_hz=20.0))

    def inject(self, lab: Lab) -> None:
        """Shorten the time-out in a drop-in, and deploy."""
        unit = Path(lab.environment["GATEWAY_UNIT"])
        (unit / "50-quick.conf").write_text("[Service]\nTimeoutStopSec=200ms\n")
        lab.spawn("deployments", "sh", "-c", DEPLOY)

    def felt(self, lab: Lab) -> Felt:
        """It hurts when connections end without a close frame: nobody told these clients, or sent them the rest."""
        service = lab.service(window_s=8.0)
        cut = sum(count for code, count in service.close_codes if code == WITHOUT_A_WORD)
        told = sum(count for code, count in service.close_codes) - cut
        sentence = (
            f"{cut} connections were cut without a word, {told} were closed properly, in {service.window_s:.1f} s"
        )
        return Felt(cut > 0, sentence, {"cut": float(cut), "told": float(told)})
