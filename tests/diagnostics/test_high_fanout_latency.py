"""`streaming.high-fanout-latency`: the work per message and all of it, held against a bare send of this machine."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from plumbline.diagnosis import Status
from plumbline.streaming.evidence import FanOut
from plumbline.streaming.evidence_roundtrip import RoundTrip

ID = "streaming.high-fanout-latency"
CALM = FanOut(
    window_s=1.0,
    published=10,
    deliveries=10_000,
    connections=1000,
    loop_lag_s=0.01,
    processes=1,
    cpu_s=0.1,
    waited_s=0.02,
    cores=1.0,
    floor_s=8e-6,
)


def test_a_fan_out_that_the_processor_bears_is_ok(judge):
    finding = judge(ID)(CALM, None)
    assert finding.status is Status.OK
    assert "10000 deliveries per second" in finding.sentence


def test_a_busy_processor_with_cheap_deliveries_has_too_many(judge):
    finding = judge(ID)(replace(CALM, published=95, deliveries=95_000, cpu_s=0.95), None)
    assert (finding.status, finding.cause) == (Status.CRITICAL, "too-many-deliveries")


def test_one_message_that_takes_a_tenth_of_a_second_is_a_warning_though_the_processor_rests(judge):
    finding = judge(ID)(replace(CALM, published=1, deliveries=15_000, cpu_s=0.15), None)
    assert (finding.status, finding.cause) == (Status.WARNING, "too-many-deliveries")


def test_deliveries_far_above_a_bare_send_are_dear(judge):
    finding = judge(ID)(replace(CALM, cpu_s=0.95), None)
    assert (finding.status, finding.cause) == (Status.CRITICAL, "dear-deliveries")


def test_a_quota_is_what_busy_is_held_against(judge):
    finding = judge(ID)(replace(CALM, cores=0.1), None)
    assert (finding.status, finding.cause) == (Status.CRITICAL, "too-many-deliveries")


def test_a_late_loop_that_waits_for_a_processor_has_it_taken(judge):
    finding = judge(ID)(replace(CALM, waited_s=0.8, loop_lag_s=0.9), None)
    assert (finding.status, finding.cause) == (Status.WARNING, "processor-taken")
    assert judge(ID)(replace(CALM, waited_s=0.8), None).status is Status.OK


def test_few_readers_have_other_reasons(judge):
    assert judge(ID)(replace(CALM, published=1000, cpu_s=1.0), None).status is Status.OK
    assert judge(ID)(replace(CALM, published=0, deliveries=0), None).status is Status.OK


def test_without_processor_time_the_loops_lateness_decides(judge):
    blind = replace(CALM, cpu_s=None, waited_s=None, cores=None, floor_s=None)
    assert judge(ID)(blind, None).status is Status.OK
    assert judge(ID)(replace(blind, loop_lag_s=0.8), None).cause == "too-many-deliveries"


numbers = st.none() | st.floats(0, 10)


@given(
    st.builds(
        FanOut,
        window_s=st.floats(0.5, 2),
        published=st.integers(0, 1000),
        deliveries=st.integers(0, 1_000_000),
        connections=st.integers(0, 20_000),
        loop_lag_s=st.floats(0, 10),
        processes=st.integers(1, 64),
        cpu_s=numbers,
        waited_s=numbers,
        cores=numbers,
        floor_s=st.none() | st.floats(1e-6, 1e-4),
    )
)
def test_every_red_finding_names_a_declared_cause(judge, declared_causes, some):
    finding = judge(ID)(some, None)
    assert finding.status.red == (finding.cause is not None)
    assert finding.cause is None or finding.cause in declared_causes(ID)


TRIP = RoundTrip(
    readers=20,
    published=15,
    arrived=300,
    lost=0,
    nowhere=0,
    outstanding=0,
    silent=0,
    ended=0,
    p50_s=0.001,
    p99_s=0.004,
    last_reader_s=0.002,
    round_trip_s=0.0001,
    own_delay_s=0.001,
    waited_s=0.01,
)


def test_probe_messages_that_arrive_at_once_are_ok(judge):
    finding = judge(ID)(None, TRIP)
    assert finding.status is Status.OK
    assert "15 probe messages to 20 readers of our own" in finding.sentence


def test_probe_messages_that_are_late_are_seen_from_outside(judge):
    finding = judge(ID)(None, replace(TRIP, last_reader_s=0.4, p50_s=0.3))
    assert (finding.status, finding.cause) == (Status.WARNING, "seen-from-outside")
    assert judge(ID)(None, replace(TRIP, last_reader_s=1.4, p50_s=1.3, p99_s=2.0)).status is Status.CRITICAL
    assert judge(ID)(None, replace(TRIP, p99_s=1.2)).status is Status.WARNING


def test_the_way_there_and_back_is_nobodys_delay(judge):
    far = replace(TRIP, last_reader_s=0.35, p50_s=0.34, p99_s=0.4, round_trip_s=0.3)
    assert judge(ID)(None, far).status is Status.OK


def test_what_some_readers_miss_is_critical(judge):
    finding = judge(ID)(None, replace(TRIP, arrived=298, lost=2))
    assert (finding.status, finding.cause) == (Status.CRITICAL, "readers-miss-messages")
    assert "2 messages lost" in finding.sentence
    silent = replace(TRIP, arrived=285, outstanding=15, silent=1, last_reader_s=2.2, p99_s=2.9, waited_s=1.5)
    assert judge(ID)(None, silent).cause == "readers-miss-messages"


def test_a_server_that_stops_in_the_middle_is_late_for_all(judge):
    stuck = replace(TRIP, arrived=100, outstanding=200, last_reader_s=1.9, p50_s=1.8, p99_s=2.4, waited_s=1.5)
    finding = judge(ID)(None, stuck)
    assert (finding.status, finding.cause) == (Status.CRITICAL, "seen-from-outside")


def test_what_may_be_the_probes_own_fault_is_unknown(judge):
    none = replace(TRIP, arrived=0, outstanding=300, silent=20, p50_s=None, p99_s=None, last_reader_s=None)
    assert "do not fit this server" in judge(ID)(None, none).sentence
    nobody = replace(TRIP, arrived=280, nowhere=1)
    assert "reached nobody" in judge(ID)(None, nobody).sentence
    ended = replace(TRIP, arrived=285, ended=1)
    assert "ended 1 of our connections" in judge(ID)(None, ended).sentence
    slow = replace(TRIP, last_reader_s=0.4, p50_s=0.3, own_delay_s=0.3)
    assert "late by 0.30 s itself" in judge(ID)(None, slow).sentence
    assert {judge(ID)(None, one).status for one in (none, nobody, ended, slow)} == {Status.UNKNOWN}


def test_the_servers_own_numbers_are_best_and_readers_that_miss_messages_are_not_overlooked(judge):
    assert "deliveries per second" in judge(ID)(CALM, TRIP).sentence
    hot = replace(CALM, published=95, deliveries=95_000, cpu_s=0.95)
    assert judge(ID)(hot, replace(TRIP, lost=9)).cause == "too-many-deliveries"
    assert judge(ID)(CALM, replace(TRIP, lost=9)).cause == "readers-miss-messages"
    assert judge(ID)(None, None).status is Status.UNKNOWN


seconds = st.floats(0, 20)


@given(
    st.none() | st.just(CALM),
    st.builds(
        RoundTrip,
        readers=st.integers(1, 20),
        published=st.integers(1, 20),
        arrived=st.integers(0, 400),
        lost=st.integers(0, 400),
        nowhere=st.integers(0, 20),
        outstanding=st.integers(0, 400),
        silent=st.integers(0, 20),
        ended=st.integers(0, 21),
        p50_s=st.none() | seconds,
        p99_s=st.none() | seconds,
        last_reader_s=st.none() | seconds,
        round_trip_s=seconds,
        own_delay_s=seconds,
        waited_s=seconds,
    ),
)
def test_every_red_finding_from_outside_names_a_declared_cause(judge, declared_causes, fanout, trip):
    finding = judge(ID)(fanout, trip)
    assert finding.status.red == (finding.cause is not None)
    assert finding.cause is None or finding.cause in declared_causes(ID)
