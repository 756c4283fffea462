"""`streaming.event-loop-blocked`: away from its events, with somebody waiting, and not for want of a processor."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.diagnosis import Status
from plumbline.streaming.evidence_loop import EventLoop, PingTimes

ID = "streaming.event-loop-blocked"


def loop(away=0.0, doing="poll", *, cpu=0.0, starved=0.0, unread=3, **more):
    return EventLoop(
        "process 7", 1.5, away, 0.5, doing, cpu_ratio=cpu, starved_ratio=starved, disk=False, unread=unread, **more
    )


def pings(stall=0.0, own=0.0):
    return PingTimes(3, 90, 0.001, max(stall, 0.002), stall, own, 1.5)


@pytest.fixture(scope="module")
def blocked(judge):
    return judge(ID)


def test_a_loop_that_waits_for_events_is_ok(blocked):
    finding = blocked(loop(0.02, unread=0), pings())
    assert finding.status is Status.OK
    assert finding.sentence.startswith("The event loop was away for 0.02 s at the longest (limit 0.2 s);")


def test_of_pings_that_nobody_sent_nothing_is_said(blocked):
    finding = blocked(loop(), None)
    assert "pings" not in finding.sentence
    assert "pings_stalled" not in {one.name for one in finding.measures}
    assert "pings stalled for 0.1 s" in blocked(loop(), pings(0.1)).sentence


def test_a_call_that_waits_while_data_lies_unread_is_a_warning(blocked):
    finding = blocked(loop(0.6, waits_for="10.0.0.5:5432", doing="recvfrom"), pings())
    assert (finding.status, finding.cause) == (Status.WARNING, "blocking-call")
    assert "in recvfrom, for 10.0.0.5:5432; data of 3 connections lay unread" in finding.sentence


def test_a_second_is_critical(blocked):
    assert blocked(loop(1.0), None).status is Status.CRITICAL


def test_pings_confirm_what_no_unread_data_shows(blocked):
    assert blocked(loop(0.6, unread=0), pings(0.5)).cause == "blocking-call"


def test_away_while_nobody_waits_is_ok(blocked):
    assert blocked(loop(0.6, unread=0), pings()).status is Status.OK


def test_a_thread_that_computes_is_cpu_bound(blocked):
    finding = blocked(loop(0.6, "computing", cpu=0.97), pings(0.5))
    assert finding.cause == "cpu-bound"
    assert ", computing; data" in finding.sentence


def test_a_loop_without_a_processor_is_not_blocked(blocked):
    finding = blocked(loop(0.6, "computing", cpu=0.5, starved=0.45), pings(0.5))
    assert finding.status is Status.OK
    assert "45 % of it without a processor" in finding.sentence


def test_a_busy_loop_that_neither_computes_nor_waits_is_ok(blocked):
    assert blocked(loop(0.6, "computing", cpu=0.5), pings(0.5)).status is Status.OK


def test_the_garbage_collectors_own_figure_decides(blocked):
    assert blocked(loop(0.6, "computing", cpu=0.97, gc_s=0.4), pings(0.5)).cause == "gc-pauses"
    assert blocked(loop(0.6, "computing", cpu=0.97, gc_s=0.1), pings(0.5)).cause == "cpu-bound"


def test_a_disk_is_named(blocked):
    assert "in read on a disk" in blocked(replace(loop(0.6, "read"), disk=True), None).sentence


def test_from_outside_connections_that_stall_together_are_red_without_a_reason(blocked):
    assert blocked(None, pings(0.1)).status is Status.OK
    finding = blocked(None, pings(0.5))
    assert (finding.status, finding.cause) == (Status.WARNING, "seen-from-outside")


def test_a_probe_that_was_late_itself_proves_nothing(blocked):
    assert blocked(None, pings(0.5, own=0.3)).status is Status.OK


def test_a_gateway_that_knows_only_its_lag_needs_pings_to_confirm(blocked):
    told = EventLoop("process 7", 0.0, None, lag_s=0.8)
    assert blocked(told, pings()).status is Status.OK
    assert blocked(told, pings(0.7)).cause == "seen-from-outside"


def test_without_a_loop_and_without_a_url_nothing_is_known(blocked):
    assert blocked(EventLoop("process 7", 1.5, None), None).status is Status.UNKNOWN


@given(
    st.floats(0, 5),
    st.sampled_from(["poll", "computing", "read", ""]),
    st.floats(0, 1),
    st.floats(0, 1),
    st.integers(0, 9),
    st.none() | st.floats(0, 5),
    st.none() | st.floats(0, 5),
)
def test_every_red_finding_names_a_declared_cause(
    blocked, declared_causes, away, doing, cpu, starved, unread, gc, stall
):
    seen = loop(away, doing, cpu=cpu, starved=starved, unread=unread, gc_s=gc)
    finding = blocked(seen, None if stall is None else pings(stall))
    assert finding.cause is None or finding.cause in declared_causes(ID)
