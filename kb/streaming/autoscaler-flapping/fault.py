"""A new policy shrinks at once, under a load that comes in waves: workers come and go with each wave."""

from pathlib import Path

from plumbline.lab import Fault, Felt, Lab, Population, Topology, Workload
from plumbline.streaming.probes.adminclient import ask

WINDOW_S = 6.0  # two waves: somebody is sent away in each


class NoWindow(Fault):
    """Two workers while publishers are busy, one while they rest; each time a worker goes, its visitors go with it."""

    topology = Topology(
        workers="1..2",
        policy={
            "min_replicas": 1,
            "max_replicas": 2,
            "metrics": [{"name": "deliveries_per_second", "over": "total", "average_value": 200}],
            "down": {"stabilization_s": 300},
            "sync_period_s": 0.25,
        },
        settings={"drain_s": 0.5},
        populations=(
            Population("tide", kind="publishers", count=1, rate_hz=80.0, wave_s=3.0),
            Population("visitors", kind="churners", count=60, rate_hz=10.0, stay_s=3.0),
        ),
        workload=Workload(subscribers=4, rate_hz=10.0),
    )

    def inject(self, lab: Lab) -> None:
        """Deploy a policy without a window for shrinking."""
        policy = Path(lab.environment["GATEWAY_POLICY"])
        policy.write_text(policy.read_text().replace("stabilization_s: 300", "stabilization_s: 0"))
        ask(lab.gateway.admin, {"reload-policy": {}})

    def felt(self, lab: Lab) -> Felt:
        """It hurts when clients that had come are sent away."""
        seen = lab.population("visitors", WINDOW_S)
        sentence = f"{seen.closed} visitors were sent away in the last {seen.window_s:g} s, {seen.connected} are here"
        return Felt(seen.closed > 0, sentence, {"sent_away": seen.closed})

    def logs(self, lab: Lab) -> str:
        """Return what the supervisor says of its workers; a person leaves out the lines of single connections."""
        return "\n".join(line for line in lab.logs().splitlines() if " connection=" not in line)
