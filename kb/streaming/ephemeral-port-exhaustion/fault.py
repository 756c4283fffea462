"""The kernel leaves the proxy few source ports, and more clients come than it can connect to the gateway."""

from plumbline.lab import Fault, Felt, Lab, Population, Topology, Workload

FIRST, PORTS = 40000, 60
HERD = Population("herd", count=PORTS + 20, addresses=4, retry_s=0.5)
HAPROXY = """
global
    log stderr format raw local0
    hard-stop-after 1s

defaults
    mode http
    log global
    option httplog
    retries 0  # a client learns of it at once
    timeout connect 2s
    timeout client 30s
    timeout server 30s
    timeout tunnel 1h

frontend clients
    bind "127.0.0.1:${FRONT_PORT}"
    default_backend gateway

backend gateway
    server gateway "127.0.0.1:${GATEWAY_PORT}"
"""


class FewSourcePorts(Fault):
    """Clients come from four addresses, and HAProxy goes on from one: what is enough for them is not for it."""

    needs = frozenset({"linux"})
    topology = Topology(netns=True, haproxy=HAPROXY, workload=Workload(subscribers=2, rate_hz=10.0, connects_hz=1.0))

    def inject(self, lab: Lab) -> None:
        """Narrow the range (of the lab's own network namespace), then send the clients."""
        span = f"{FIRST} {FIRST + PORTS - 1}"
        lab.spawn("narrow-range", "sysctl", "-qw", f"net.ipv4.ip_local_port_range={span}")
        lab.populate(HERD)

    def felt(self, lab: Lab) -> Felt:
        """It hurts while clients are turned away: HAProxy answers 503, and they come again."""
        herd = lab.population(HERD.name)
        sentence = f"{herd.connected} of {herd.wanted} clients are connected, {herd.failed} attempts failed"
        numbers = {"connected": float(herd.connected), "failed": float(herd.failed)}
        return Felt(herd.connected < herd.wanted, sentence, numbers)
