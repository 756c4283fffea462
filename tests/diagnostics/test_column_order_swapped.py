"""`deployment.column-order-swapped`: do the values of features stand under each other's names?"""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.deployment.evidence_answers import Answers
from plumbline.diagnosis import Status

ID = "deployment.column-order-swapped"
RIGHT = Answers(asked=8, right=8, wrong=0, not_finite=0, refused=0)
WRONG = replace(RIGHT, right=1, wrong=7)


@pytest.fixture(scope="module")
def order(judge):
    return judge(ID)


def test_right_answers_are_ok_and_the_sentence_says_whether_anything_would_notice_a_swap(order):
    assert order(RIGHT).status is Status.OK
    assert "columns without names are refused" in order(RIGHT).sentence
    assert "nothing would notice a swap" in order(replace(RIGHT, unnamed_taken=True)).sentence


def test_answers_that_an_exchange_makes_right_are_critical(order):
    finding = order(replace(WRONG, exchanged=("age", "income")))
    assert (finding.status, finding.cause) == (Status.CRITICAL, "columns-exchanged")
    assert "age, income" in finding.sentence


def test_a_server_that_goes_by_place_is_a_warning_as_long_as_callers_know_the_place(order):
    assert (order(replace(RIGHT, by_place=3)).status, order(replace(RIGHT, by_place=3)).cause) == (
        Status.WARNING,
        "names-ignored",
    )
    assert order(replace(WRONG, by_place=3)).status is Status.CRITICAL


def test_wrong_answers_that_no_order_explains_are_somebody_elses(order):
    assert order(WRONG).status is Status.OK
    assert order(replace(WRONG, unit_of="price", unit="times 100")).status is Status.OK


def test_what_could_not_be_tried_or_judged_is_unknown(order):
    assert "no time" in order(replace(WRONG, complete=False)).sentence
    refused = replace(RIGHT, right=0, refused=8, refusal="422 unknown_field no input 'age'")
    assert "unknown_field" in order(refused).sentence
    blank = replace(RIGHT, right=0, not_finite=8)
    assert {order(one).status for one in (replace(WRONG, complete=False), refused, blank)} == {Status.UNKNOWN}


counts = st.integers(0, 24)
texts = st.sampled_from(["", "price"])


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
        by_place=counts,
        unnamed_taken=st.booleans(),
        exchanged=st.sampled_from([(), ("age", "income")]),
        unit_of=texts,
        unit=texts,
        ignored=st.sampled_from([(), ("age",)]),
        complete=st.booleans(),
    )
)
def test_every_red_finding_names_a_declared_cause(order, declared_causes, some):
    finding = order(some)
    assert finding.status.red == (finding.cause is not None)
    assert finding.cause is None or finding.cause in declared_causes(ID)
