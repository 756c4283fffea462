"""`streaming.head-of-line-blocking`: what waits behind a large message on a connection that moves."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.diagnosis import Status
from plumbline.streaming.evidence_heads import HeadOfLine, QueueHeads

ID = "streaming.head-of-line-blocking"
MIB = 1 << 20


def head(behind_s=0.0, *, largest=MIB, moving=True, drain_s=None):
    return HeadOfLine("c1", MIB, moving, largest, 12, behind_s, 2, drain_s)


def heads(*found):
    return QueueHeads(found, 8, 1.5)


@pytest.fixture(scope="module")
def line(judge):
    return judge(ID)


def test_no_queues_are_ok(line):
    finding = line(heads())
    assert finding.status is Status.OK
    assert "wait for 0 s at most behind large ones (limit 0.4 s)" in finding.sentence


def test_small_messages_behind_a_large_one_are_a_warning(line):
    finding = line(heads(head(0.9), head(0.1)))
    assert (finding.status, finding.cause) == (Status.WARNING, "one-large-message")
    assert "On 1 connection of 8, 12 messages waited up to 0.9 s behind one of 1.0 MiB" in finding.sentence


def test_five_seconds_are_critical(line):
    assert line(heads(head(5.0))).status is Status.CRITICAL


def test_without_a_large_one_it_is_the_bulk(line):
    assert line(heads(head(0.9, largest=9000))).cause == "bulk-channel"


def test_a_reader_that_takes_nothing_is_somebody_elses_problem(line):
    assert line(heads(head(9.0, moving=False))).status is Status.OK


def test_what_the_kernel_holds_counts_by_the_time_it_takes_to_leave(line):
    from_pid = replace(head(drain_s=0.8), largest_bytes=None, behind_messages=None, behind_s=None, channels=None)
    finding = line(heads(from_pid))
    assert (finding.status, finding.cause) == (Status.WARNING, "deep-send-queue")
    assert "a message waits 0.8 s behind 1.0 MiB in the same queue" in finding.sentence
    assert line(heads(head(0.1, drain_s=0.8))).cause == "deep-send-queue"


some = st.builds(
    head,
    st.floats(0, 20),
    largest=st.integers(0, 4 * MIB),
    moving=st.booleans(),
    drain_s=st.none() | st.floats(0, 20),
)


@given(st.lists(some, max_size=5))
def test_every_red_finding_names_a_declared_cause(line, declared_causes, found):
    finding = line(heads(*found))
    assert finding.cause is None or finding.cause in declared_causes(ID)


@given(st.lists(some, max_size=5), some)
def test_one_more_queue_never_makes_it_better(line, found, more):
    rank = {Status.OK: 0, Status.WARNING: 1, Status.CRITICAL: 2}
    assert rank[line(heads(*found, more)).status] >= rank[line(heads(*found)).status]
