"""`streaming.idle-timeout-mismatch`: one timer's signature in the ledger, or two quiet connections cut at one age."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.diagnosis import Status
from plumbline.streaming.evidence import Close, Closes, IdleLifetime

ID = "streaming.idle-timeout-mismatch"
PINGED = IdleLifetime(first_ping_s=25.0, closed_after_s=None, close_code=None, watched_s=25.0)
CUT = IdleLifetime(None, 60.1, 1006, 61.0, second_closed_after_s=60.0)
NOTHING = IdleLifetime(None, None, None, 3.0)


def close(idle_s, ago_s, *, code=1006):
    lost = code == 1006
    return Close(
        code=code,
        reason="lost" if lost else "normal",
        by="network" if lost else "peer",
        idle_s=idle_s,
        age_s=idle_s + 1,
        clean=not lost,
        ago_s=ago_s,
    )


def closes(*recent, heartbeat_s=90.0):
    return Closes(heartbeat_interval_s=heartbeat_s, recent=tuple(sorted(recent, key=lambda one: one.ago_s)))


TIMER = [close(60.0 + 0.05 * n, 10.0 + 30 * n) for n in range(6)]


@pytest.fixture(scope="module")
def idle(judge):
    return judge(ID)


def test_a_gateway_that_lost_nobody_is_ok(idle):
    assert idle(None, closes()).status is Status.OK


def test_a_probe_that_gets_its_ping_is_ok(idle):
    finding = idle(PINGED, None)
    assert finding.status is Status.OK
    assert "25 s" in finding.sentence


def test_the_ledger_alone_shows_the_timer(idle):
    finding = idle(None, closes(*TIMER))
    assert (finding.status, finding.cause) == (Status.CRITICAL, "front-timeout")
    assert finding.sentence.startswith("6 connections were lost after 60")
    assert "every 90 s" in finding.sentence


def test_the_probe_alone_shows_the_cut(idle):
    finding = idle(CUT, None)
    assert (finding.status, finding.cause) == (Status.CRITICAL, "front-timeout")
    assert "cut after 60.1 s of silence" in finding.sentence


def test_a_server_without_heartbeats_has_its_own_cause(idle):
    assert idle(CUT, closes(heartbeat_s=0.0)).cause == "no-heartbeat"
    assert idle(None, closes(*TIMER, heartbeat_s=0.0)).cause == "no-heartbeat"


def test_neither_ping_nor_cut_is_unknown_and_says_what_to_set(idle):
    finding = idle(NOTHING, None)
    assert finding.status is Status.UNKNOWN
    assert "patience_s" in finding.sentence


def test_a_watch_that_saw_nothing_leaves_the_word_to_the_ledger(idle):
    assert idle(NOTHING, closes()).status is Status.OK
    assert idle(NOTHING, closes(*TIMER)).status is Status.CRITICAL


def test_a_probe_that_was_shown_the_door_is_unknown_or_left_to_the_ledger(idle):
    shown_out = IdleLifetime(None, 5.0, 1008, 6.0)
    assert idle(shown_out, None).status is Status.UNKNOWN
    assert "1008" in idle(shown_out, None).sentence
    assert idle(shown_out, closes()).status is Status.OK


@pytest.mark.parametrize("ledger", [None, closes()])
def test_two_cuts_at_one_moment_are_a_server_that_died_not_a_timer(idle, ledger):
    died = IdleLifetime(None, 2.0, 1006, 3.0, second_closed_after_s=1.3)
    assert idle(died, ledger).status is Status.UNKNOWN


def test_a_ping_in_time_outweighs_closes_from_before_it(idle):
    assert idle(PINGED, closes(*TIMER[1:])).status is Status.OK


def test_old_closes_are_history(idle):
    assert idle(None, closes(*[close(60.0, 700.0 + 30 * n) for n in range(6)])).status is Status.OK


def test_a_heartbeat_below_the_old_time_out_clears_the_ledger(idle):
    assert idle(None, closes(*TIMER, heartbeat_s=25.0)).status is Status.OK


def test_connections_lost_at_one_moment_are_an_outage_not_a_timer(idle):
    outage = [close(7.0 + 0.01 * n, 30.0 + 0.01 * n) for n in range(20)]
    assert idle(None, closes(*outage)).status is Status.OK


def test_busy_connections_that_vanish_are_no_idle_time_out(idle):
    assert idle(None, closes(*[close(0.02, 5.0 * n) for n in range(20)])).status is Status.OK


def test_four_equal_closes_are_too_few(idle):
    assert idle(None, closes(*TIMER[:4])).status is Status.OK
    assert idle(None, closes(*TIMER[:5])).status is Status.CRITICAL


def test_clean_closes_at_one_age_are_clients_that_leave(idle):
    assert idle(None, closes(*[close(60.0, 30.0 * n, code=1000) for n in range(9)])).status is Status.OK


def test_phones_that_lose_their_network_at_any_age_are_no_timer(idle):
    phones = [close(1.5 + 88 * n / 40, 14.0 * n) for n in range(40)]
    assert idle(None, closes(*phones)).status is Status.OK


def test_a_timer_is_seen_among_phones(idle):
    phones = [close(1.5 + 88 * n / 10, 50.0 * n) for n in range(10)]
    assert idle(None, closes(*phones, *TIMER)).status is Status.CRITICAL


def test_every_cause_is_declared_in_the_record(idle, declared_causes):
    assert {idle(CUT, None).cause, idle(CUT, closes(heartbeat_s=0.0)).cause} <= declared_causes(ID)


ledgers = st.builds(
    lambda recent, heartbeat_s: closes(*recent, heartbeat_s=heartbeat_s),
    st.lists(st.builds(close, st.floats(0, 200), st.floats(0, 2000), code=st.sampled_from([1000, 1006])), max_size=30),
    st.floats(0.05, 300),
)
probes = st.none() | st.sampled_from([PINGED, NOTHING])


@given(ledger=ledgers, probe=probes)
def test_without_a_loss_below_the_heartbeat_it_is_never_red(idle, ledger, probe):
    kept = tuple(one for one in ledger.recent if one.code != 1006 or one.idle_s >= ledger.heartbeat_interval_s)
    calm = Closes(heartbeat_interval_s=ledger.heartbeat_interval_s, recent=kept)
    assert not idle(probe, calm).status.red


@given(ledger=ledgers)
def test_two_connections_of_our_own_cut_at_one_age_are_critical_whatever_the_ledger_says(idle, ledger):
    assert idle(CUT, ledger).status is Status.CRITICAL


@given(ledger=ledgers, probe=probes)
def test_a_shorter_heartbeat_never_makes_it_red(idle, ledger, probe):
    twice_as_often = Closes(heartbeat_interval_s=ledger.heartbeat_interval_s / 2, recent=ledger.recent)
    if not idle(probe, ledger).status.red:
        assert not idle(probe, twice_as_often).status.red


@given(ledger=ledgers, probe=probes.filter(lambda probe: probe is not None))
def test_the_sentence_carries_a_number(idle, ledger, probe):
    finding = idle(probe, ledger)
    assert any(letter.isdigit() for letter in finding.sentence)
    assert finding.status.red == (finding.cause is not None)
