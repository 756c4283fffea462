"""`streaming.listen-backlog-overflow`: a drop is charged to its listener, and to the smaller of two limits."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.diagnosis import Status
from plumbline.host.listeners import Listener, ListenQueues

ID = "streaming.listen-backlog-overflow"
RANK = {Status.UNKNOWN: -1, Status.OK: 0, Status.WARNING: 1, Status.CRITICAL: 2}


def listener(port=443, *, waiting=0, least=0, backlog=511, dropped=0):
    return Listener(
        address="0.0.0.0", port=port, waiting=waiting, least_waiting=least, backlog=backlog, dropped=dropped
    )


def queues(*listeners, somaxconn=4096, overflows=None, syn_queue_full=0):
    overflows = sum(one.dropped for one in listeners) if overflows is None else overflows
    return ListenQueues(
        listeners=listeners,
        window_s=1.0,
        overflows=overflows,
        drops=overflows,
        syn_queue_full=syn_queue_full,
        somaxconn=somaxconn,
        syn_backlog=2048,
    )


some_listeners = st.lists(
    st.builds(
        listener,
        port=st.integers(1, 65535),
        waiting=st.integers(0, 5000),
        least=st.integers(0, 5000),
        backlog=st.integers(0, 5000),
        dropped=st.integers(0, 5),
    ),
    min_size=1,
    max_size=5,
)


@pytest.fixture(scope="module")
def backlog(judge):
    return judge(ID)


def test_a_listener_that_drops_nothing_is_ok_and_says_how_full_it_was(backlog):
    finding = backlog(queues(listener(waiting=20)))
    assert finding.status is Status.OK
    assert finding.sentence == (
        "Port 443 dropped 0 connections in 1 s; at most 20 were seen waiting, with room for 511 (4 %; limit 80 %)."
    )


def test_a_queue_just_below_the_limit_is_ok_and_at_the_limit_a_warning(backlog):
    assert backlog(queues(listener(waiting=79, backlog=100))).status is Status.OK
    assert backlog(queues(listener(waiting=80, backlog=100))).status is Status.WARNING


def test_one_drop_is_critical_even_if_no_sample_saw_the_queue_full(backlog):
    finding = backlog(queues(listener(waiting=3, dropped=1)))
    assert (finding.status, finding.cause) == (Status.CRITICAL, "backlog-argument-too-small")
    assert "dropped 1 connection " in finding.sentence


def test_drops_of_another_listener_of_the_namespace_are_not_ours(backlog):
    assert backlog(queues(listener(waiting=3), overflows=549)).status is Status.OK


def test_a_backlog_below_somaxconn_is_the_servers_own_argument(backlog):
    finding = backlog(queues(listener(waiting=17, backlog=16, dropped=549), somaxconn=4096))
    assert (finding.status, finding.cause) == (Status.CRITICAL, "backlog-argument-too-small")


def test_a_backlog_at_somaxconn_was_cut_down_to_it(backlog):
    finding = backlog(queues(listener(waiting=129, backlog=128, dropped=40), somaxconn=128))
    assert (finding.status, finding.cause) == (Status.CRITICAL, "somaxconn-caps-backlog")
    assert "listen() again" in finding.next[0]


def test_a_queue_that_never_empties_is_a_server_that_does_not_accept(backlog):
    finding = backlog(queues(listener(waiting=129, least=128, backlog=128, dropped=40), somaxconn=128))
    assert (finding.status, finding.cause) == (Status.CRITICAL, "accept-loop-stuck")


def test_a_large_backlog_that_overflows_is_not_cured_by_a_larger_one(backlog):
    finding = backlog(queues(listener(waiting=4097, backlog=4096, dropped=9), somaxconn=4096))
    assert (finding.status, finding.cause) == (Status.CRITICAL, "accept-loop-stuck")


def test_drops_without_an_overflow_had_another_reason(backlog):
    finding = backlog(queues(listener(waiting=2, dropped=5), overflows=0, syn_queue_full=5))
    assert (finding.status, finding.cause) == (Status.CRITICAL, "other-drops")
    assert "Not the accept queue" in finding.next[0]


def test_nothing_to_judge_is_unknown(backlog):
    assert backlog(queues()).status is Status.UNKNOWN


@given(some_listeners)
def test_every_red_finding_names_a_declared_cause(backlog, declared_causes, some):
    finding = backlog(queues(*some))
    assert finding.cause is None or finding.cause in declared_causes(ID)


@given(some_listeners, st.integers(1, 5000))
def test_a_healthy_listener_beside_it_never_cures_a_sick_one(backlog, some, room):
    alone, together = backlog(queues(*some)), backlog(queues(*some, listener(port=1, backlog=room)))
    assert (together.status, together.cause) == (alone.status, alone.cause)


@given(some_listeners, st.integers(0, 4), st.integers(1, 5))
def test_more_drops_never_make_it_better(backlog, some, which, more):
    which %= len(some)
    worse = [replace(one, dropped=one.dropped + more) if at == which else one for at, one in enumerate(some)]
    assert RANK[backlog(queues(*worse)).status] >= RANK[backlog(queues(*some)).status]


@given(some_listeners, st.randoms())
def test_the_order_of_listeners_does_not_matter_to_the_status(backlog, some, random):
    shuffled = random.sample(some, len(some))
    assert backlog(queues(*shuffled)).status is backlog(queues(*some)).status
