"""A deploy takes the cache's protection away: at each expiry of the hot key everybody asks the database."""

from plumbline.lab import Fault, HurtsWhen, Lab, Topology, Workload
from plumbline.lab.parts import Server
from plumbline.streaming.probes.adminclient import ask


class WithoutProtection(Fault):
    """80 requests a second for one key, a database that answers one question at a time, a time to live of a second."""

    topology = Topology(
        victim="cache",
        parts=(
            Server("db", "upstream", config={"connections": 1, "delay_s": 0.12}),
            Server("cache", "cache", admin=True, config={"upstream": "{db.url}", "ttl_s": 1.0, "admin": "{admin}"}),
        ),
        workload=Workload(requests_hz=80.0, request_path="/get?key=top10", request_timeout_s=4.0),
    )
    hurts_when = HurtsWhen(request_p99_s=0.4, window_s=4.0)  # an expiry comes every second or two

    def inject(self, lab: Lab) -> None:
        """Switch the protection off."""
        ask(lab.environment["CACHE_ADMIN"], {"set": {"protection": False}})
