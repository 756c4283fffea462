"""`streaming.graceful-shutdown-drops`: the last end tells, and before it the two durations."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.diagnosis import Status
from plumbline.streaming.evidence import End, Shutdowns

ID = "streaming.graceful-shutdown-drops"


def ended(how="drained", ago_s=60.0, **numbers):
    return Shutdowns((End(how, ago_s, **numbers),), 10.0, 11.0)


def test_a_drain_that_cut_nobody_is_ok_and_says_how_long_it_took(judge):
    finding = judge(ID)(ended(connections=900, within_s=10.0, took_s=8.5, cut=0, lost=0))
    assert finding.status is Status.OK
    assert "900 clients in 8.5 s" in finding.sentence


def test_who_was_killed_while_draining_had_too_little_time(judge):
    finding = judge(ID)(ended("draining", connections=600, within_s=30.0, took_s=10.0))
    assert (finding.status, finding.cause) == (Status.CRITICAL, "grace-shorter-than-drain")
    assert "TimeoutStopSec" in finding.next[0]


def test_a_kill_after_the_last_client_was_gone_harmed_nobody(judge):
    assert judge(ID)(ended("draining", connections=0, within_s=30.0, took_s=10.0)).status is Status.OK


@pytest.mark.parametrize("how", ["stopped", "drained"])
def test_clients_that_were_closed_without_a_window_had_no_drain(judge, how):
    finding = judge(ID)(ended(how, connections=5, cut=5, within_s=0.0, lost=2))
    assert (finding.status, finding.cause) == (Status.CRITICAL, "no-drain")


def test_messages_that_were_not_sent_at_the_end_of_the_window_are_a_warning(judge):
    finding = judge(ID)(ended(connections=900, cut=3, within_s=10.0, lost=12))
    assert (finding.status, finding.cause) == (Status.WARNING, "readers-cut")


def test_a_crash_is_another_problem(judge):
    assert judge(ID)(ended("running", connections=None)).status is Status.OK


def test_an_end_of_last_week_is_history(judge):
    assert judge(ID)(ended("draining", ago_s=7 * 86400, connections=600)).status is Status.OK


def test_before_the_event_the_two_durations_are_compared(judge):
    assert judge(ID)(Shutdowns((), 10.0, 11.0, 90.0, "gateway.service")).status is Status.OK
    finding = judge(ID)(Shutdowns((), 30.0, 31.0, 10.0, "gateway.service"))
    assert (finding.status, finding.cause) == (Status.WARNING, "grace-shorter-than-drain")
    assert "gateway.service kills after 10 s" in finding.sentence


def test_no_drain_and_no_time_are_told_before_the_event(judge):
    assert judge(ID)(Shutdowns((), 0.0, 1.0)).cause == "no-drain"
    assert judge(ID)(Shutdowns((), None, None, 0.0, "chat.service")).cause == "no-drain"


def test_a_server_whose_drain_is_not_known_cannot_be_judged(judge):
    finding = judge(ID)(Shutdowns((), None, None, inf, "chat.service"))
    assert finding.status is Status.UNKNOWN
    assert "chat.service" in finding.sentence


counts = st.none() | st.integers(0, 9999)
spans = st.none() | st.floats(0, 1e5)
ends = st.builds(
    End,
    how=st.sampled_from(["drained", "stopped", "draining", "running"]),
    ago_s=st.floats(0, 1e6),
    connections=counts,
    left=counts,
    cut=counts,
    within_s=spans,
    took_s=spans,
    lost=counts,
)


@given(st.builds(Shutdowns, st.lists(ends, max_size=3).map(tuple), spans, spans, spans))
def test_every_red_finding_names_a_declared_cause(judge, declared_causes, some):
    finding = judge(ID)(some)
    assert finding.status.red == (finding.cause is not None)
    assert finding.cause is None or finding.cause in declared_causes(ID)
