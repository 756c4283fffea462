"""`streaming.ephemeral-port-exhaustion`: ports are full per source and destination, for one of four reasons."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.diagnosis import Status
from plumbline.host.ports import EphemeralPorts, PortUse

ID = "streaming.ephemeral-port-exhaustion"


def use(taken, *, time_wait=0, lowest=32768, highest=60999, in_range=None):
    return PortUse(
        source="10.0.0.2",
        destination="10.1.4.9:8080",
        established=taken - time_wait,
        time_wait=time_wait,
        other=0,
        in_range=taken if in_range is None else in_range,
        lowest=lowest,
        highest=highest,
        distinct=taken,
    )


def seen(*uses, fullest=None, shared=0, first=32768, last=60999, reserved=0):
    fullest = max((one.in_range for one in uses), default=0) if fullest is None else fullest
    return EphemeralPorts(first, last, reserved, uses, fullest, shared)


@pytest.fixture(scope="module")
def exhaustion(judge):
    return judge(ID)


def test_no_outgoing_connection_is_ok(exhaustion):
    assert exhaustion(seen()).status is Status.OK


def test_half_of_the_range_is_ok_and_says_so(exhaustion):
    finding = exhaustion(seen(use(15000)))
    assert finding.status is Status.OK
    assert finding.sentence == (
        "One source address to one destination takes 15000 of 28232 ports (53 %; limit 95 %): "
        "15000 open, 0 in TIME_WAIT."
    )


@pytest.mark.parametrize(("taken", "status"), [(20000, Status.WARNING), (28232, Status.CRITICAL)])
def test_lasting_connections_fill_the_range(exhaustion, taken, status):
    finding = exhaustion(seen(use(taken)))
    assert (finding.status, finding.cause) == (status, "many-connections")


def test_short_connections_are_told_by_time_wait(exhaustion):
    assert exhaustion(seen(use(28000, time_wait=27000))).cause == "time-wait"


def test_ports_side_by_side_were_chosen_by_the_program(exhaustion):
    finding = exhaustion(seen(use(100, lowest=10000, highest=10099, in_range=0)))
    assert (finding.status, finding.cause) == (Status.CRITICAL, "own-range")


def test_few_ports_side_by_side_are_chance(exhaustion):
    assert exhaustion(seen(use(4, lowest=40000, highest=40003))).status is Status.OK


def test_a_source_that_shares_no_port_among_destinations_binds_too_early(exhaustion):
    many = [use(1500) for _ in range(18)]
    assert exhaustion(seen(*many, fullest=27000)).cause == "bound-early"
    assert exhaustion(seen(*many, fullest=27000, shared=900)).status is Status.OK


def test_a_range_without_ports_cannot_be_judged(exhaustion):
    assert exhaustion(seen(use(1), reserved=28232)).status is Status.UNKNOWN


@given(taken=st.integers(1, 28232), more=st.integers(0, 28231))
def test_more_connections_are_never_better(exhaustion, taken, more):
    rank = [Status.OK, Status.WARNING, Status.CRITICAL]
    few, many = (exhaustion(seen(use(count))).status for count in sorted((taken, min(taken + more, 28232))))
    assert rank.index(few) <= rank.index(many)


def test_every_cause_is_declared(exhaustion, declared_causes):
    full = use(28232)
    found = {
        exhaustion(one).cause
        for one in (
            seen(full),
            seen(replace(full, time_wait=28000, established=232)),
            seen(use(60, lowest=1000, highest=1059, in_range=0)),
            seen(*[use(1500) for _ in range(18)], fullest=27000),
        )
    }
    assert found == declared_causes(ID)
