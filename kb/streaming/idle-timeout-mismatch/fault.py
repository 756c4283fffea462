"""A front with an idle time-out below the gateway's heartbeat: quiet sockets are cut, again and again."""

from __future__ import annotations

from plumbline.lab import Fault, Felt, Lab, Topology, Workload

HEARTBEAT_S = 2.0  # each look of the diagnostic waits for one; the cut at 1.2 s stays well below
HEALTHY = "timeout tunnel 1h"
FAULTY = "timeout tunnel 1200ms"
HAPROXY = f"""
global
    log stderr format raw local0
    hard-stop-after 1s  # after a reload, connections of the old configuration may stay so long

defaults
    mode http
    log global
    option httplog
    timeout connect 2s
    timeout client 30s
    timeout server 30s
    {HEALTHY}

frontend clients
    bind "127.0.0.1:${{FRONT_PORT}}"
    default_backend gateway

backend gateway
    server gateway "127.0.0.1:${{GATEWAY_PORT}}"
"""


class IdleTimeoutMismatch(Fault):
    """HAProxy's tunnel time-out falls below the heartbeat; only sockets that carry data go on living."""

    topology = Topology(
        settings={"heartbeat_interval_s": HEARTBEAT_S},
        haproxy=HAPROXY,
        workload=Workload(quiet=6),
        patience_s=2.5 * HEARTBEAT_S,
    )

    def inject(self, lab: Lab) -> None:
        """Shorten the time-out and reload, as a well-meant clean-up of the configuration does."""
        lab.front.reload(lab.front.config.read_text().replace(HEALTHY, FAULTY))

    def felt(self, lab: Lab) -> Felt:
        """Quiet clients lose their connection without a close frame."""
        service = lab.service(window_s=4.0)
        cut = sum(count for code, count in service.close_codes if code == 1006)  # RFC 6455, 7.1.5
        return Felt(
            hurts=cut > 0,
            sentence=f"{cut} connections were cut without a close frame in {service.window_s:.1f} s: {service}",
            numbers={"cut": float(cut), "window_s": service.window_s},
        )
