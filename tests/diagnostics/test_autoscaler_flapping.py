"""`streaming.autoscaler-flapping`: turns while they go on; load, window and size of the swing tell causes apart."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.diagnosis import Status
from plumbline.streaming.evidence_scaling import Scaled, ScaleEvent, ScaleEvents

ID = "streaming.autoscaler-flapping"


def swinging(sizes, *, every_s=120.0, ended_s=30.0, loads=(100.0, 900.0), window_s=0.0, moved=None):
    """Changes through these sizes; a low load where it shrinks, a high one where it grows."""
    steps = list(pairwise(sizes))
    events = tuple(
        ScaleEvent(ended_s + every_s * (len(steps) - 1 - at), one, two, loads and loads[two > one], moved)
        for at, (one, two) in enumerate(steps)
    )
    return ScaleEvents((Scaled("workers", events, window_s),))


@pytest.mark.parametrize(
    ("evidence", "cause", "status"),
    [
        (swinging([4, 7, 4, 7, 4]), "window-too-short", Status.WARNING),
        (swinging([4, 7, 4, 7, 4, 7, 4, 7]), "window-too-short", Status.CRITICAL),
        (swinging([4, 7, 4, 7, 4], loads=None, window_s=None), "window-too-short", Status.WARNING),
        (swinging([4, 7, 4, 7, 4], loads=(480.0, 500.0)), "metric-follows-replicas", Status.WARNING),
        (swinging([4, 7, 4, 7, 4], window_s=600.0), "metric-follows-replicas", Status.WARNING),
        (swinging([4, 5, 4, 5, 4], loads=(480.0, 500.0)), "noise", Status.WARNING),
    ],
)
def test_each_cause_is_told_by_its_evidence(judge, declared_causes, evidence, cause, status):
    finding = judge(ID)(evidence)
    assert (finding.status, finding.cause) == (status, cause)
    assert cause in declared_causes(ID)


def test_growing_and_shrinking_once_is_what_it_is_for(judge):
    assert judge(ID)(swinging([1, 2, 4, 7, 5, 3])).status is Status.OK
    assert judge(ID)(ScaleEvents((Scaled("a/b", ()),))).status is Status.OK


def test_a_swing_that_has_ended_is_ok_and_still_told(judge):
    finding = judge(ID)(swinging([4, 7, 4, 7, 4], ended_s=600.0))
    assert finding.status is Status.OK
    assert "it has ended" in finding.sentence


def test_the_sizes_and_the_moved_clients_are_told(judge):
    finding = judge(ID)(swinging([4, 7, 4, 7, 4], moved=50))
    assert "7 4 7 4" in finding.sentence
    assert "200 connections had to go elsewhere" in finding.sentence


def test_the_worst_of_many_decides(judge):
    calm, wild = swinging([1, 2]).scaled[0], swinging([1, 2, 1, 2, 1]).scaled[0]
    assert judge(ID)(ScaleEvents((calm, wild))).status.red


@given(st.lists(st.integers(1, 9), min_size=2, max_size=12))
def test_what_only_grows_never_flaps(judge, sizes):
    grown = sorted(set(sizes))
    assert judge(ID)(swinging(grown if len(grown) > 1 else [1, 2])).status is Status.OK
