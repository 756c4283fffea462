"""`streaming.reconnect-storm`: crowds that repeat are told from chance, from growth and from one crowd."""

import random

from hypothesis import given
from hypothesis import strategies as st

from plumbline.diagnosis import Status
from plumbline.streaming.evidence import Arrivals

ID = "streaming.reconnect-storm"
COMB = (0, 150, 0, 0, 0) * 6


def arrivals(*counts, **more):
    return Arrivals(tuple(counts), 0.1, 0, 0, **{"connections": 1000, **more})


def test_chance_is_no_storm_however_much_it_is(judge):
    chance = random.Random(1)
    steady = [sum(chance.random() < 0.1 for _ in range(400)) for _ in range(30)]  # some 400 a second
    finding = judge(ID)(arrivals(*steady))
    assert finding.status is Status.OK
    assert "no crowds that repeat" in finding.sentence


def test_a_comb_of_crowds_has_no_jitter(judge):
    finding = judge(ID)(arrivals(*COMB))
    assert (finding.status, finding.cause) == (Status.WARNING, "no-jitter")
    assert "in 6 separate crowds" in finding.sentence


def test_crowds_that_are_refused_come_for_nothing(judge):
    finding = judge(ID)(arrivals(*COMB, refused=880))
    assert (finding.status, finding.cause) == (Status.CRITICAL, "refused-in-step")


def test_a_fast_loop_of_refusals_needs_no_step(judge):
    assert judge(ID)(arrivals(*[12] * 30, refused=360)).cause == "refused-in-step"
    assert judge(ID)(arrivals(*[3] * 30, refused=90)).status is Status.OK
    assert judge(ID)(arrivals(*[12] * 30, refused=20)).status is Status.OK


def test_one_crowd_passes(judge):
    assert judge(ID)(arrivals(*[0] * 10, 400, 200, *[1] * 18)).status is Status.OK


def test_crowds_of_a_few_trouble_nobody(judge):
    assert judge(ID)(arrivals(*(20, 0, 0, 0, 0) * 6)).status is Status.OK


def test_nobody_comes(judge):
    assert judge(ID)(arrivals(*[0] * 30)).status is Status.OK
    assert judge(ID)(Arrivals((), 0.1, 0, 0)).status is Status.OK


@given(st.lists(st.integers(0, 500), max_size=30), st.none() | st.integers(0, 20000))
def test_every_red_finding_names_a_declared_cause(judge, declared_causes, counts, refused):
    finding = judge(ID)(arrivals(*counts, refused=refused))
    assert finding.status.red == (finding.cause is not None)
    assert finding.cause is None or finding.cause in declared_causes(ID)


@given(st.lists(st.integers(0, 500), min_size=1, max_size=30))
def test_a_crowd_is_counted_once_however_long_it_lasts(counts):
    assert arrivals(*counts).bursts == arrivals(*[one for one in counts for _ in range(3)]).bursts


def test_a_rate_of_connections_is_written_as_people_say_it(judge):
    measures = {one.name: one for one in judge(ID)(arrivals(*[12] * 30)).measures}
    assert str(measures["rate"]) == "120 connections/s"
