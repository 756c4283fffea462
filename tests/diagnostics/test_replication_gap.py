"""`streaming.replication-gap`: judged by silence and age; a lag of 0 proves nothing."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.diagnosis import Status
from plumbline.streaming.evidence import ReplicatedStream, Replication

ID = "streaming.replication-gap"
COPY = ReplicatedStream("PLUMBLINE", "mirror", "PLUMBLINE", "east", 0, 0.4, 0.5, 900)
HEALTHY = Replication("nats-b", "2.15.1", "west", (COPY,), 2, 1, False, 0)


def having(*copies, **server):
    return replace(HEALTHY, streams=copies or HEALTHY.streams, **server)


@pytest.mark.parametrize(
    ("evidence", "cause"),
    [
        (having(replace(COPY, active_s=60.0, newest_s=60.0), leaf_links=0), "link-dead"),
        (having(replace(COPY, active_s=None, newest_s=60.0), leaf_links=0), "link-dead"),
        (having(replace(COPY, active_s=60.0, newest_s=60.0)), "origin-silent"),
        (having(replace(COPY, active_s=60.0, domain=None), leaf_links=0), "origin-silent"),
        (having(replace(COPY, lag_messages=5000, newest_s=20.0)), "mirror-behind"),
        (having(replace(COPY, newest_s=60.0)), "other-stream"),
    ],
)
def test_each_cause_is_told_by_its_evidence(judge, declared_causes, evidence, cause):
    finding = judge(ID)(evidence)
    assert finding.status.red
    assert finding.cause == cause
    assert cause in declared_causes(ID)


def test_a_lag_of_zero_does_not_make_a_silent_mirror_ok(judge):
    finding = judge(ID)(having(replace(COPY, active_s=3600.0), leaf_links=0))
    assert finding.status is Status.CRITICAL
    assert "lag of 0 messages" in finding.sentence


def test_a_stream_that_is_not_the_gateways_may_be_quiet(judge):
    assert judge(ID)(having(replace(COPY, stream="ORDERS", newest_s=86400.0))).status is Status.OK
    assert judge(ID)(having(replace(COPY, stream="ORDERS", newest_s=None))).status is Status.OK


def test_a_server_that_has_just_started_gets_its_five_seconds(judge):
    assert judge(ID)(having(replace(COPY, active_s=None, newest_s=1.0), leaf_links=0)).status is Status.OK


def test_the_worst_copy_decides(judge):
    behind, dead = replace(COPY, stream="A", lag_messages=9999), replace(COPY, stream="B", active_s=99.0)
    finding = judge(ID)(having(COPY, behind, dead))
    assert "mirror B" in finding.sentence
    assert judge(ID)(having(COPY, behind)).cause == "mirror-behind"


def test_a_server_without_copies_is_unknown(judge):
    finding = judge(ID)(replace(HEALTHY, streams=()))
    assert finding.status is Status.UNKNOWN
    assert "none is a mirror" in finding.sentence


@given(active=st.floats(0, 1e6), more=st.floats(0, 1e6), lag=st.integers(0, 10**6))
def test_longer_silence_is_never_better(judge, active, more, lag):
    rank = {Status.OK: 0, Status.WARNING: 1, Status.CRITICAL: 2}
    now, later = (
        judge(ID)(having(replace(COPY, active_s=silence, lag_messages=lag))) for silence in (active, active + more)
    )
    assert rank[later.status] >= rank[now.status]
