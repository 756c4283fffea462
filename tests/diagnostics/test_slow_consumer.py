"""`streaming.slow-consumer`: time in the queue tells a reader that stopped from a burst."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.diagnosis import Status
from plumbline.streaming.evidence import OutboundQueue, OutboundQueues

ID = "streaming.slow-consumer"
RANK = {Status.OK: 0, Status.WARNING: 1, Status.CRITICAL: 2}
MIB = 1 << 20


def queue(name="c1", *, queued=0, oldest=None, unsent=0):
    return OutboundQueue(
        name, queued, queued_messages=queued // 1024, oldest_s=oldest, kernel_unsent_bytes=unsent, dropped=0
    )


def queues(*fullest, connections=8, overflow="disconnect", held=0, limit=MIB):
    return OutboundQueues(
        connections=max(connections, len(fullest)),
        queued_bytes=sum(one.queued_bytes for one in fullest),
        limit_bytes=limit,
        overflow=overflow,
        resident_bytes=60 * MIB,
        queues=fullest,
        held_publishers=held,
    )


some_queues = st.lists(
    st.builds(
        queue,
        queued=st.integers(0, 8 * MIB),
        oldest=st.none() | st.floats(0, 60),
        unsent=st.none() | st.integers(0, 4 * MIB),
    ),
    min_size=1,
    max_size=6,
)


@pytest.fixture(scope="module")
def slow(judge):
    return judge(ID)


def test_empty_queues_are_ok(slow):
    finding = slow(queues())
    assert finding.status is Status.OK
    assert finding.sentence == (
        "0 publishers held (overflow: disconnect); 0 of 8 connections lag: 0 bytes queued, the oldest for 0 s "
        "(limit 2 s), 0 bytes in one kernel buffer (limit 1.0 MiB)."
    )


def test_a_burst_that_is_under_way_is_ok_however_large(slow):
    assert slow(queues(queue(queued=MIB - 1, oldest=1.9))).status is Status.OK


def test_a_message_that_waits_two_seconds_is_a_warning(slow):
    finding = slow(queues(queue(queued=4096, oldest=2.0)))
    assert (finding.status, finding.cause) == (Status.WARNING, "one-slow-reader")


def test_a_message_that_waits_five_seconds_is_critical(slow):
    finding = slow(queues(queue(queued=8 * MIB, oldest=5.0), queue("c2", oldest=0.01)))
    assert (finding.status, finding.cause) == (Status.CRITICAL, "one-slow-reader")
    assert "1 of 8 connections lag: 8.0 MiB queued, the oldest for 5 s (limit 5 s)" in finding.sentence


def test_a_held_publisher_is_critical_at_once(slow):
    finding = slow(queues(queue(queued=8 * MIB, oldest=0.2), overflow="wait", held=1, limit=8 * MIB))
    assert (finding.status, finding.cause) == (Status.CRITICAL, "everyone-waits")
    assert "overflow=disconnect" in finding.next[0]


def test_when_most_readers_lag_it_is_not_one_slow_reader(slow):
    lagging = [queue(f"c{number}", queued=MIB, oldest=6.0) for number in range(6)]
    assert slow(queues(*lagging, connections=8)).cause == "all-are-slow"


def test_a_single_connection_that_lags_is_one_slow_reader(slow):
    assert slow(queues(queue(queued=MIB, oldest=6.0), connections=1)).cause == "one-slow-reader"


def test_a_backlog_that_only_the_kernel_knows_is_found_from_a_pid(slow):
    blind = replace(queues(queue(queued=2 * MIB, unsent=2 * MIB), overflow="unknown", limit=None), held_publishers=None)
    finding = slow(blind)
    assert (finding.status, finding.cause) == (Status.WARNING, "hidden-in-kernel")


def test_a_busy_send_buffer_below_the_limit_is_ok(slow):
    assert slow(queues(queue(queued=MIB - 1, unsent=MIB - 1), overflow="unknown", limit=None)).status is Status.OK


def test_from_a_pid_nothing_is_said_of_publishers(slow):
    finding = slow(replace(queues(queue(queued=14336, oldest=6.0)), overflow="unknown", held_publishers=None))
    assert (finding.status, finding.cause) == (Status.CRITICAL, "one-slow-reader")
    assert finding.sentence.startswith("1 of 8 connections lag: 14.0 KiB queued, the oldest for 6 s (limit 5 s)")
    assert "publishers_held" not in {measure.name for measure in finding.measures}


@given(some_queues, st.integers(0, 3))
def test_every_red_finding_names_a_declared_cause(slow, declared_causes, some, held):
    finding = slow(queues(*some, held=held))
    assert finding.cause is None or finding.cause in declared_causes(ID)


@given(some_queues, st.integers(0, 2))
def test_a_healthy_queue_beside_it_never_cures_a_sick_one(slow, some, held):
    assert slow(queues(*some, queue("healthy", oldest=0.0), held=held)).status is slow(queues(*some, held=held)).status


@given(some_queues, st.integers(0, 5), st.floats(0, 60))
def test_waiting_longer_never_makes_it_better(slow, some, which, longer):
    which %= len(some)
    worse = [
        replace(one, oldest_s=(one.oldest_s or 0.0) + longer) if at == which else one for at, one in enumerate(some)
    ]
    assert RANK[slow(queues(*worse)).status] >= RANK[slow(queues(*some)).status]


@given(some_queues, st.integers(0, 5), st.integers(1, 5))
def test_one_more_held_publisher_never_makes_it_better(slow, some, held, more):
    assert RANK[slow(queues(*some, held=held + more)).status] >= RANK[slow(queues(*some, held=held)).status]
