"""`streaming.dead-peer-unnoticed`: gone peers are a problem if nothing will notice, and no heartbeat is one already."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.diagnosis import Status
from plumbline.host.peers import Peers
from plumbline.streaming.evidence_heartbeats import Heartbeats, UnansweredPings

ID = "streaming.dead-peer-unnoticed"


def peers(unreachable=0, *, unheard=0.0):
    return Peers(
        connections=100,
        unreachable=unreachable,
        longest_unheard_s=unheard,
        longest_silent_s=unheard,
        keepalive=0,
        worst=(),
    )


def beats(interval=25.0):
    return Heartbeats(interval, 10.0)


def mute(first=None, closed=None, *, watched=3.0):
    return UnansweredPings(first, closed, None if closed is None else 1011, watched)


@pytest.fixture(scope="module")
def dead(judge):
    return judge(ID)


def test_heartbeats_and_nobody_gone_is_ok(dead):
    finding = dead(peers(), beats(), None)
    assert finding.status is Status.OK
    assert finding.sentence == (
        "0 connections of 100 answer nothing, 0 s at most (limit 3 connections); the server notices after 35 s "
        "(limit 120 s)."
    )


@pytest.mark.parametrize(("gone", "status"), [(0, Status.WARNING), (2, Status.WARNING), (3, Status.CRITICAL)])
def test_without_heartbeats_it_is_a_warning_until_somebody_is_gone(dead, gone, status):
    finding = dead(peers(gone, unheard=4.0), beats(0.0), None)
    assert (finding.status, finding.cause) == (status, "no-heartbeat")


def test_heartbeats_that_take_minutes_are_too_rare(dead):
    assert dead(peers(5, unheard=30.0), beats(300.0), None).cause == "slow-heartbeat"


def test_those_just_gone_are_left_to_the_heartbeat_and_those_it_forgot_are_not(dead):
    assert dead(peers(20, unheard=30.0), beats(), None).status is Status.OK
    finding = dead(peers(20, unheard=50.0), beats(), None)
    assert (finding.status, finding.cause) == (Status.CRITICAL, "not-enforced")


def test_of_any_server_the_kernel_alone_needs_two_minutes(dead):
    assert dead(peers(20, unheard=60.0), None, None).status is Status.OK
    finding = dead(peers(20, unheard=200.0), None, None)
    assert (finding.status, finding.cause) == (Status.CRITICAL, "no-heartbeat")


def test_what_our_own_mute_client_met_is_the_servers_heartbeat(dead):
    assert dead(peers(20, unheard=60.0), None, mute(20.0, 20.0, watched=40.0)).cause == "not-enforced"


def test_from_outside_it_is_ok_if_the_mute_are_thrown_out(dead):
    assert dead(None, None, mute(20.0, 20.0, watched=40.0)).status is Status.OK
    assert dead(None, None, mute(100.0, 30.0, watched=130.0)).cause == "slow-heartbeat"


@pytest.mark.parametrize("seen", [mute(), mute(closed=1.0), mute(first=1.0)])
def test_from_outside_silence_proves_nothing(dead, seen):
    finding = dead(None, None, seen)
    assert finding.status is Status.UNKNOWN
    assert "patience_s" in finding.sentence


@given(
    st.integers(0, 100),
    st.floats(0, 1000),
    st.one_of(st.none(), st.sampled_from([0.0, 2.0, 25.0, 500.0])),
)
def test_every_red_finding_names_a_declared_cause(dead, declared_causes, gone, unheard, interval):
    finding = dead(peers(gone, unheard=unheard), None if interval is None else beats(interval), None)
    assert finding.status.red == (finding.cause in declared_causes(ID))


def test_the_settings_alone_are_judged_too(dead):
    assert dead(None, beats(), None).sentence == "The server notices after 35 s (limit 120 s)."
    assert dead(None, beats(0.0), None).cause == "no-heartbeat"
