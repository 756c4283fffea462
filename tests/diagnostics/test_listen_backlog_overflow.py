"""`streaming.listen-backlog-overflow`: a drop is charged to its listener, and to the smaller of two limits."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.diagnosis import Status
from plumbline.host.listeners import Listener, ListenQueues
from plumbline.streaming.evidence_handshakes import Attempt, Handshakes

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
    finding = backlog(queues(listener(waiting=20)), None)
    assert finding.status is Status.OK
    assert finding.sentence == (
        "Port 443 dropped 0 connections in 1 s; at most 20 were seen waiting, with room for 511 (4 %; limit 80 %)."
    )


def test_a_queue_just_below_the_limit_is_ok_and_at_the_limit_a_warning(backlog):
    assert backlog(queues(listener(waiting=79, backlog=100)), None).status is Status.OK
    assert backlog(queues(listener(waiting=80, backlog=100)), None).status is Status.WARNING


def test_one_drop_is_critical_even_if_no_sample_saw_the_queue_full(backlog):
    finding = backlog(queues(listener(waiting=3, dropped=1)), None)
    assert (finding.status, finding.cause) == (Status.CRITICAL, "backlog-argument-too-small")
    assert "dropped 1 connection " in finding.sentence


def test_drops_of_another_listener_of_the_namespace_are_not_ours(backlog):
    assert backlog(queues(listener(waiting=3), overflows=549), None).status is Status.OK


def test_a_backlog_below_somaxconn_is_the_servers_own_argument(backlog):
    finding = backlog(queues(listener(waiting=17, backlog=16, dropped=549), somaxconn=4096), None)
    assert (finding.status, finding.cause) == (Status.CRITICAL, "backlog-argument-too-small")


def test_a_backlog_at_somaxconn_was_cut_down_to_it(backlog):
    finding = backlog(queues(listener(waiting=129, backlog=128, dropped=40), somaxconn=128), None)
    assert (finding.status, finding.cause) == (Status.CRITICAL, "somaxconn-caps-backlog")
    assert "listen() again" in finding.next[0]


def test_a_queue_that_never_empties_is_a_server_that_does_not_accept(backlog):
    finding = backlog(queues(listener(waiting=129, least=128, backlog=128, dropped=40), somaxconn=128), None)
    assert (finding.status, finding.cause) == (Status.CRITICAL, "accept-loop-stuck")


def test_a_large_backlog_that_overflows_is_not_cured_by_a_larger_one(backlog):
    finding = backlog(queues(listener(waiting=4097, backlog=4096, dropped=9), somaxconn=4096), None)
    assert (finding.status, finding.cause) == (Status.CRITICAL, "accept-loop-stuck")


def test_drops_without_an_overflow_had_another_reason(backlog):
    finding = backlog(queues(listener(waiting=2, dropped=5), overflows=0, syn_queue_full=5), None)
    assert (finding.status, finding.cause) == (Status.CRITICAL, "other-drops")
    assert "Not the accept queue" in finding.next[0]


def test_nothing_to_judge_is_unknown(backlog):
    assert backlog(queues(), None).status is Status.UNKNOWN


@given(some_listeners)
def test_every_red_finding_names_a_declared_cause(backlog, declared_causes, some):
    finding = backlog(queues(*some), None)
    assert finding.cause is None or finding.cause in declared_causes(ID)


@given(some_listeners, st.integers(1, 5000))
def test_a_healthy_listener_beside_it_never_cures_a_sick_one(backlog, some, room):
    alone, together = backlog(queues(*some), None), backlog(queues(*some, listener(port=1, backlog=room)), None)
    assert (together.status, together.cause) == (alone.status, alone.cause)


@given(some_listeners, st.integers(0, 4), st.integers(1, 5))
def test_more_drops_never_make_it_better(backlog, some, which, more):
    which %= len(some)
    worse = [replace(one, dropped=one.dropped + more) if at == which else one for at, one in enumerate(some)]
    assert RANK[backlog(queues(*worse), None).status] >= RANK[backlog(queues(*some), None).status]


@given(some_listeners, st.randoms())
def test_the_order_of_listeners_does_not_matter_to_the_status(backlog, some, random):
    shuffled = random.sample(some, len(some))
    assert backlog(queues(*shuffled), None).status is backlog(queues(*some), None).status


QUICK = Attempt("ok", connect_s=0.0004, answer_s=0.003, resent=0)
REPEATED = replace(QUICK, connect_s=1.03, resent=1)
SILENT = Attempt("silent", connect_s=1.5, answer_s=None, resent=None)
REFUSED = replace(SILENT, outcome="refused", connect_s=0.0002)
UNANSWERED = replace(QUICK, outcome="unanswered", answer_s=2.9)


def outside(*attempts):
    return Handshakes(attempts=attempts, watched_s=3.0)


def refused_with(status, retry_after=""):
    return replace(QUICK, outcome="status", status=status, retry_after=retry_after)


def test_quick_handshakes_are_ok_from_outside(backlog):
    finding = backlog(None, outside(*[QUICK] * 20))
    assert finding.status is Status.OK
    assert finding.sentence == (
        "Of 20 connections of our own 0 had to send a packet again (limit 2 connections); half stood after 0.0004 s, "
        "the slowest took 0.0004 s (limit 0.9 s); the handshake's answer took 0.003 s more, half of all."
    )


def test_two_repeated_syns_are_seen_from_outside(backlog):
    finding = backlog(None, outside(*[QUICK] * 18, REPEATED, REPEATED))
    assert (finding.status, finding.cause) == (Status.WARNING, "seen-from-outside")
    assert "2 had to send a packet again" in finding.sentence
    assert backlog(None, outside(QUICK, SILENT, SILENT)).cause == "seen-from-outside"


def test_a_request_that_the_kernel_does_not_take_is_a_last_packet_that_was_dropped(backlog):
    dropped = replace(UNANSWERED, resent=3)
    assert backlog(None, outside(QUICK, dropped, dropped)).cause == "seen-from-outside"


def test_one_repeated_syn_may_be_a_lost_packet(backlog):
    finding = backlog(None, outside(*[QUICK] * 19, REPEATED))
    assert finding.status is Status.UNKNOWN
    assert "a lost packet, or a short burst" in finding.sentence


def test_a_wait_without_a_packet_sent_again_was_ours_or_the_servers(backlog):
    late = replace(REPEATED, resent=0)
    assert backlog(None, outside(QUICK, QUICK, late, late)).status is Status.OK
    slow = backlog(None, outside(*[replace(QUICK, answer_s=1.4)] * 4))
    assert (slow.status, "streaming.event-loop-blocked" in slow.sentence) == (Status.UNKNOWN, True)


def test_where_the_kernel_of_this_client_counts_nothing_the_time_alone_tells(backlog):
    elsewhere = replace(REPEATED, resent=None)
    assert backlog(None, outside(QUICK, elsewhere, elsewhere)).cause == "seen-from-outside"


def test_connections_without_an_answer_are_unknown(backlog):
    finding = backlog(None, outside(UNANSWERED, UNANSWERED, UNANSWERED))
    assert finding.status is Status.UNKNOWN
    assert "3 of 3 connections stood, and got no answer" in finding.sentence
    broken = backlog(None, outside(QUICK, replace(QUICK, outcome="broken")))
    assert (broken.status, "1 of 2 handshakes were cut" in broken.sentence) == (Status.UNKNOWN, True)


@pytest.mark.parametrize(
    ("status", "retry_after", "told"),
    [
        (503, "30", "HTTP 503 (Retry-After: 30): a limit of its own"),
        (429, "", "HTTP 429: a limit of its own for clients that come too often"),
        (401, "", "token_env"),
        (404, "", "the address and its path"),
    ],
)
def test_a_refusal_is_unknown_and_says_what_to_do(backlog, status, retry_after, told):
    finding = backlog(None, outside(QUICK, refused_with(status, retry_after)))
    assert finding.status is Status.UNKNOWN
    assert told in finding.sentence


def test_who_reaches_nobody_knows_nothing(backlog):
    refused, silent = backlog(None, outside(REFUSED, REFUSED)), backlog(None, outside(SILENT, SILENT, SILENT))
    nowhere = backlog(None, outside(replace(REFUSED, outcome="unreachable")))
    assert {one.status for one in (refused, silent, nowhere)} == {Status.UNKNOWN}
    assert "nothing listens there" in refused.sentence
    assert "full without end" in silent.sentence
    assert "no way there" in nowhere.sentence
    some = backlog(None, outside(QUICK, REFUSED))
    assert (some.status, "1 of 2 connections were refused" in some.sentence) == (Status.UNKNOWN, True)


def test_the_kernel_knows_better_where_it_was_asked(backlog):
    sick = outside(QUICK, REPEATED, REPEATED)
    assert backlog(queues(listener()), sick).status is Status.OK
    assert backlog(queues(listener(dropped=5)), outside(QUICK)).status is Status.CRITICAL
    assert backlog(queues(), sick).cause == "seen-from-outside"
    assert backlog(None, None).status is Status.UNKNOWN


@given(
    st.lists(
        st.builds(
            Attempt,
            outcome=st.sampled_from(["ok", "status", "unanswered", "broken", "silent", "refused", "unreachable"]),
            connect_s=st.floats(0, 5),
            answer_s=st.none() | st.floats(0, 5),
            resent=st.none() | st.integers(0, 3),
            status=st.none() | st.integers(200, 599),
        ),
        max_size=20,
    )
)
def test_every_red_finding_from_outside_names_a_declared_cause(backlog, declared_causes, attempts):
    finding = backlog(None, outside(*attempts))
    assert finding.status.red == (finding.cause is not None)
    assert finding.cause is None or finding.cause in declared_causes(ID)
