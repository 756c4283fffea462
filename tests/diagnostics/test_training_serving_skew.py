"""`deployment.training-serving-skew`: are features computed as in training when the model is asked?"""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.deployment.evidence_answers import Answers
from plumbline.deployment.evidence_skew import Skew
from plumbline.diagnosis import Status

ID = "deployment.training-serving-skew"
PAIRS = Skew(rows=100, paired=True, features=3)
DIFFERS = replace(PAIRS, feature="price", of=100, differing=40)
SHAPES = Skew(rows=2000, paired=False, features=3)
MOVED = replace(SHAPES, feature="price", of=19, differing=18, moved=("price",))
KNOWN = Answers(asked=4, right=4, wrong=0, not_finite=0, refused=0)


@pytest.fixture(scope="module")
def skewed(judge):
    return judge(ID)


def test_pairs_that_agree_are_ok(skewed):
    assert skewed(PAIRS, None).status is Status.OK


def test_a_world_that_moved_is_no_skew(skewed):
    finding = skewed(replace(PAIRS, moved=("price",)), None)
    assert finding.status is Status.OK
    assert "price moved since training" in finding.sentence
    assert "no skew" in finding.sentence


@pytest.mark.parametrize(
    ("how", "cause", "told"),
    [
        ({"ratio": 100.0, "ratio_alike": 40}, "unit-or-scale", "100 times"),
        ({"ratio": 3.0, "ratio_alike": 4, "shift": 3600.0, "shift_alike": 39}, "shifted", "plus 3600"),
        ({"filled": 40}, "missing-differently", "missing in training"),
        ({"emptied": 40}, "missing-differently", "missing in serving"),
        ({"stale": 38, "ratio": 1.1, "ratio_alike": 38}, "stale", "earlier"),
        ({"ratio": 3.0, "ratio_alike": 4}, "computed-differently", "no single factor"),
        ({}, "computed-differently", "no single factor"),
    ],
)
def test_pairs_that_differ_name_the_feature_and_the_cause(skewed, how, cause, told):
    finding = skewed(replace(DIFFERS, **how), None)
    assert (finding.status, finding.cause) == (Status.CRITICAL, cause)
    assert "'price'" in finding.sentence
    assert told in finding.sentence


def test_a_late_join_of_one_row_in_a_hundred_is_ok(skewed):
    assert skewed(replace(DIFFERS, differing=1), None).status is Status.OK


def test_without_keys_a_unit_or_a_gap_is_a_warning(skewed):
    finding = skewed(replace(MOVED, ratio=0.01, ratio_alike=18), None)
    assert (finding.status, finding.cause) == (Status.WARNING, "unit-or-scale")
    assert skewed(replace(MOVED, of=20, differing=20, filled=20), None).cause == "missing-differently"


def test_without_keys_what_could_be_the_world_is_unknown(skewed):
    finding = skewed(replace(MOVED, ratio=1.2, ratio_alike=18), None)
    assert finding.status is Status.UNKNOWN
    assert "Log a key" in finding.sentence
    assert skewed(SHAPES, None).status is Status.OK


def test_too_few_rows_are_unknown(skewed):
    assert skewed(replace(PAIRS, rows=19), None).status is Status.UNKNOWN
    assert skewed(replace(PAIRS, features=0), None).status is Status.UNKNOWN


def test_without_rows_known_answers_tell_units(skewed):
    assert skewed(None, KNOWN).status is Status.OK
    finding = skewed(None, replace(KNOWN, right=0, wrong=4, unit_of="price", unit="divided by 100"))
    assert (finding.status, finding.cause) == (Status.CRITICAL, "unit-or-scale")
    assert "price divided by 100" in finding.sentence
    assert skewed(None, None).status is Status.UNKNOWN


counts = st.integers(0, 100)


@given(
    st.builds(
        Skew,
        rows=counts,
        paired=st.booleans(),
        features=counts,
        feature=st.sampled_from(["", "price"]),
        of=counts,
        differing=counts,
        filled=counts,
        emptied=counts,
        stale=counts,
        ratio=st.none() | st.floats(-9, 9),
        ratio_alike=counts,
        shift=st.none() | st.floats(-9, 9),
        shift_alike=counts,
        moved=st.sampled_from([(), ("price",)]),
    )
)
def test_every_red_finding_names_a_declared_cause(skewed, declared_causes, some):
    finding = skewed(some, None)
    assert finding.status.red == (finding.cause is not None)
    assert finding.cause is None or finding.cause in declared_causes(ID)
