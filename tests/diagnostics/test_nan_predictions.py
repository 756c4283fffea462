"""`deployment.nan-predictions`: are there answers that are no values, and what becomes of a missing value?"""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.deployment.evidence_answers import Answers
from plumbline.deployment.evidence_missing import MissingValues
from plumbline.diagnosis import Status

ID = "deployment.nan-predictions"
RIGHT = Answers(asked=8, right=8, wrong=0, not_finite=0, refused=0, gaps=2)
GUARDED = MissingValues(tried=3, refused=2, predicted=1)


@pytest.fixture(scope="module")
def nan(judge):
    return judge(ID)


def test_finite_answers_and_refused_gaps_are_ok(nan):
    finding = nan(RIGHT, GUARDED)
    assert finding.status is Status.OK
    assert "2 refused, 1 predicted" in finding.sentence
    assert nan(RIGHT, None).status is Status.OK


def test_a_model_that_gives_nan_for_whole_rows_is_the_models_fault(nan):
    finding = nan(replace(RIGHT, right=0, not_finite=8, gaps_not_finite=2), GUARDED)
    assert (finding.status, finding.cause) == (Status.CRITICAL, "model-gives-nan")


def test_nan_for_rows_with_gaps_only_comes_from_the_gaps(nan):
    finding = nan(replace(RIGHT, right=6, not_finite=2, gaps_not_finite=2), None)
    assert (finding.status, finding.cause) == (Status.CRITICAL, "missing-becomes-nan")


def test_finite_and_wrong_answers_to_gaps_only_are_masked(nan):
    masked = replace(RIGHT, right=6, wrong=2, gaps_wrong=2)
    finding = nan(masked, GUARDED)
    assert (finding.status, finding.cause) == (Status.CRITICAL, "nan-masked")
    assert nan(replace(masked, right=0, wrong=8), GUARDED).status is Status.OK  # all are wrong: not the gaps


def test_a_gap_that_would_become_nan_is_a_warning_that_names_the_feature(nan):
    finding = nan(RIGHT, replace(GUARDED, not_finite=("income",)))
    assert (finding.status, finding.cause) == (Status.WARNING, "missing-becomes-nan")
    assert "income" in finding.sentence


def test_a_server_that_answers_nothing_is_not_judged(nan):
    finding = nan(replace(RIGHT, right=0, refused=8, refusal="503 no_version"), GUARDED)
    assert finding.status is Status.UNKNOWN
    assert "no_version" in finding.sentence


counts = st.integers(0, 24)


@given(
    st.builds(
        Answers,
        asked=st.integers(1, 24),
        right=counts,
        wrong=counts,
        not_finite=counts,
        refused=counts,
        gaps=counts,
        gaps_wrong=counts,
        gaps_not_finite=counts,
    ),
    st.none()
    | st.builds(
        MissingValues,
        tried=counts,
        refused=counts,
        predicted=counts,
        not_finite=st.sampled_from([(), ("age",)]),
        broken=st.sampled_from([(), ("age",)]),
    ),
)
def test_every_red_finding_names_a_declared_cause(nan, declared_causes, answers, gaps):
    finding = nan(answers, gaps)
    assert finding.status.red == (finding.cause is not None)
    assert finding.cause is None or finding.cause in declared_causes(ID)
