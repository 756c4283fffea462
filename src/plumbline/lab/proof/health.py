"""Is the workload served? Compares what the independent clients measured with what they should get."""

from __future__ import annotations

from plumbline.lab.service import Service

MOST = 0.98
"""Share of messages, publishes and fresh connections that must work: on a loaded machine one may be late."""
SLOWER = 10.0
"""Latency may be this many times the baseline's, plus `SLACK_S`: restored service on a machine under load."""
SLACK_S = 1.0
ENOUGH = 5
"""Fewest messages in a window that say anything."""


def complaints(service: Service, *, connects: bool, messages: bool = True, requests: bool = False) -> list[str]:
    """Return what a healthy service would not show, one phrase each.

    Args:
        service: What was measured.
        connects: The workload tries fresh connections, so there must be some.
        messages: It publishes.
        requests: It sends HTTP requests.
    """
    found = []
    if service.clients < service.clients_wanted:
        found.append(f"{service.clients} of {service.clients_wanted} clients are connected")
    found += _requests(service, wanted=requests)
    if service.published_due < ENOUGH and messages:
        found.append(f"only {service.published_due} messages were due so far")
    elif service.published < MOST * service.published_due:
        found.append(f"the server took {service.published} of {service.published_due} published messages")
    if service.delivery_ratio < MOST:
        found.append(f"{service.delivery_ratio * 100:.0f} % of messages arrived")
    if service.connect_ratio < MOST:
        found.append(f"{service.connects_failed} fresh connections failed")
    if connects and service.connects_ok == 0:
        found.append("no fresh connection worked yet")
    if service.unexpected_closes:
        found.append(f"{service.unexpected_closes} connections were closed from the other side")
    return found


def _requests(service: Service, *, wanted: bool) -> list[str]:
    if service.request_ratio < MOST:
        return [f"{service.requests_failed} requests failed"]
    if wanted and service.requests_ok < ENOUGH:
        return [f"only {service.requests_ok} requests worked so far"]
    if service.answers_wrong:
        return [f"{service.answers_wrong} of {service.requests_ok} answers were wrong"]
    return []


def worse(service: Service, baseline: Service) -> list[str]:
    """Return what is worse than in the baseline beyond the machine's own noise."""
    found = []
    if service.clients_wanted != baseline.clients_wanted:
        found.append(f"the workload has {service.clients_wanted} clients, not {baseline.clients_wanted} as before")
    for what, now_s, before_s in (
        ("p99", service.p99_s, baseline.p99_s),
        ("p99 of requests", service.request_p99_s, baseline.request_p99_s),
    ):
        allowed = SLOWER * before_s + SLACK_S
        if now_s > allowed:
            found.append(f"{what} is {now_s:.2f} s, {allowed:.2f} s would be near the baseline")
    return found
