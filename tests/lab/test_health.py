"""When a workload is served, and when it is worse off than before."""

from __future__ import annotations

from plumbline.lab.proof import health
from plumbline.lab.service import Service


def test_health_complains_about_each_thing_that_is_wrong() -> None:
    ill = Service(
        clients=1,
        clients_wanted=2,
        due=100,
        delivered=50,
        published=10,
        published_due=20,
        connects_failed=1,
        unexpected_closes=3,
    )
    said = "; ".join(health.complaints(ill, connects=True))
    for words in (
        "1 of 2 clients are connected",
        "took 10 of 20",
        "50 % of messages",
        "1 fresh connections failed",
        "no fresh connection worked",
        "3 connections were closed",
    ):
        assert words in said
    assert "only 0 messages were due" in health.complaints(Service(), connects=False)[0]
    worse = health.worse(Service(clients_wanted=1, p99_s=9.0), Service(clients_wanted=2, p99_s=0.1))
    assert len(worse) == 2
