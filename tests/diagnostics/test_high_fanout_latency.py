"""`streaming.high-fanout-latency`: the work per message and all of it, held against a bare send of this machine."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from plumbline.diagnosis import Status
from plumbline.streaming.evidence import FanOut

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
    finding = judge(ID)(CALM)
    assert finding.status is Status.OK
    assert "10000 deliveries per second" in finding.sentence


def test_a_busy_processor_with_cheap_deliveries_has_too_many(judge):
    finding = judge(ID)(replace(CALM, published=95, deliveries=95_000, cpu_s=0.95))
    assert (finding.status, finding.cause) == (Status.CRITICAL, "too-many-deliveries")


def test_one_message_that_takes_a_tenth_of_a_second_is_a_warning_though_the_processor_rests(judge):
    finding = judge(ID)(replace(CALM, published=1, deliveries=15_000, cpu_s=0.15))
    assert (finding.status, finding.cause) == (Status.WARNING, "too-many-deliveries")


def test_deliveries_far_above_a_bare_send_are_dear(judge):
    finding = judge(ID)(replace(CALM, cpu_s=0.95))
    assert (finding.status, finding.cause) == (Status.CRITICAL, "dear-deliveries")


def test_a_quota_is_what_busy_is_held_against(judge):
    finding = judge(ID)(replace(CALM, cores=0.1))
    assert (finding.status, finding.cause) == (Status.CRITICAL, "too-many-deliveries")


def test_a_late_loop_that_waits_for_a_processor_has_it_taken(judge):
    finding = judge(ID)(replace(CALM, waited_s=0.8, loop_lag_s=0.9))
    assert (finding.status, finding.cause) == (Status.WARNING, "processor-taken")
    assert judge(ID)(replace(CALM, waited_s=0.8)).status is Status.OK


def test_few_readers_have_other_reasons(judge):
    assert judge(ID)(replace(CALM, published=1000, cpu_s=1.0)).status is Status.OK
    assert judge(ID)(replace(CALM, published=0, deliveries=0)).status is Status.OK


def test_without_processor_time_the_loops_lateness_decides(judge):
    blind = replace(CALM, cpu_s=None, waited_s=None, cores=None, floor_s=None)
    assert judge(ID)(blind).status is Status.OK
    assert judge(ID)(replace(blind, loop_lag_s=0.8)).cause == "too-many-deliveries"


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
    finding = judge(ID)(some)
    assert finding.status.red == (finding.cause is not None)
    assert finding.cause is None or finding.cause in declared_causes(ID)
