"""A caller of the old model must find what it relies on: what breaks somebody is major, what adds is minor."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.deployment.core.contract import Bump, bump_of, compare
from plumbline.deployment.core.errors import InvalidError
from plumbline.deployment.core.signature import Feature, Output, Signature

AGE = Feature("age", "int", minimum=0, maximum=120)
PLAN = Feature("plan", "string", choices=("free", "paid"))
NOTE = Feature("note", "float", required=False, default=0.0)
SCORE = Output("score", "float", shape=(2,), classes=("no", "yes"), minimum=0, maximum=1)
BASE = Signature((AGE, PLAN, NOTE), (SCORE,))


def with_input(old: Feature, new: Feature | None) -> Signature:
    kept = [new if one is old else one for one in BASE.inputs]
    return replace(BASE, inputs=tuple(one for one in kept if one is not None))


CASES = [
    ("an input removed", with_input(PLAN, None), Bump.MAJOR, "input-removed"),
    ("an input renamed", with_input(AGE, replace(AGE, name="years")), Bump.MAJOR, "input-removed"),
    ("an input retyped", with_input(PLAN, Feature("plan", "int")), Bump.MAJOR, "type-changed"),
    ("an integer that may be a fraction", with_input(AGE, replace(AGE, kind="float")), Bump.MINOR, "input-widened"),
    ("a new required input", replace(BASE, inputs=(*BASE.inputs, Feature("new"))), Bump.MAJOR, "input-added-required"),
    (
        "a new optional input",
        replace(BASE, inputs=(*BASE.inputs, Feature("new", required=False, default=1.0))),
        Bump.MINOR,
        "input-added-optional",
    ),
    ("an optional input required", with_input(NOTE, Feature("note")), Bump.MAJOR, "input-became-required"),
    ("another default", with_input(NOTE, replace(NOTE, default=1.0)), Bump.MAJOR, "default-changed"),
    ("missing values taken", with_input(AGE, replace(AGE, nullable=True)), Bump.MINOR, "missing-values-taken"),
    ("a lower maximum", with_input(AGE, replace(AGE, maximum=99)), Bump.MAJOR, "range-narrowed"),
    ("no maximum", with_input(AGE, replace(AGE, maximum=None)), Bump.MINOR, "range-widened"),
    ("a choice fewer", with_input(PLAN, replace(PLAN, choices=("free",))), Bump.MAJOR, "choice-removed"),
    ("a choice more", with_input(PLAN, replace(PLAN, choices=("free", "paid", "x"))), Bump.MINOR, "choice-added"),
    ("any choice", with_input(PLAN, replace(PLAN, choices=None)), Bump.MINOR, "choices-unlimited"),
    ("a class fewer", replace(BASE, outputs=(replace(SCORE, classes=("yes",)),)), Bump.MAJOR, "class-removed"),
    ("a class more", replace(BASE, outputs=(replace(SCORE, classes=("no", "yes", "m")),)), Bump.MINOR, "class-added"),
    ("classes swapped", replace(BASE, outputs=(replace(SCORE, classes=("yes", "no")),)), Bump.MAJOR, "class-order"),
    ("an output more", replace(BASE, outputs=(SCORE, Output("why"))), Bump.MINOR, "output-added"),
    ("an output renamed", replace(BASE, outputs=(replace(SCORE, name="p"),)), Bump.MAJOR, "output-removed"),
    ("scores above one", replace(BASE, outputs=(replace(SCORE, maximum=2),)), Bump.MAJOR, "range-widened"),
    ("scores promised narrower", replace(BASE, outputs=(replace(SCORE, minimum=0.1),)), Bump.MINOR, "range-narrowed"),
    ("another output shape", replace(BASE, outputs=(replace(SCORE, shape=(3,)),)), Bump.MAJOR, "shape-changed"),
]


@pytest.mark.parametrize(("new", "bump", "code"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_the_bump_says_whether_a_caller_breaks(new: Signature, bump: Bump, code: str) -> None:
    changes = compare(BASE, new)
    assert bump_of(changes) is bump
    assert code in {change.code for change in changes}


def test_the_order_of_inputs_is_no_change_because_they_are_known_by_name() -> None:
    assert compare(BASE, replace(BASE, inputs=BASE.inputs[::-1])) == ()


bounds = st.one_of(st.none(), st.integers(-3, 3).map(float))


@given(bounds, bounds, bounds, bounds)
def test_whatever_range_breaks_nobody_as_input_breaks_somebody_as_output_unless_equal(
    low: float | None, high: float | None, low2: float | None, high2: float | None
) -> None:
    if (low is not None and high is not None and low > high) or (
        low2 is not None and high2 is not None and low2 > high2
    ):
        return

    def pair(lower: float | None, upper: float | None) -> tuple[Signature, Signature]:
        inward = Signature((Feature("x", minimum=lower, maximum=upper),), (Output("y"),))
        outward = Signature((Feature("x"),), (Output("y", minimum=lower, maximum=upper),))
        return inward, outward

    (in_old, out_old), (in_new, out_new) = pair(low, high), pair(low2, high2)
    same = (low, high) == (low2, high2)
    # A request valid for the old range is valid for the new one exactly when the new range contains the old one.
    wide = (low2 is None or (low is not None and low2 <= low)) and (
        high2 is None or (high is not None and high <= high2)
    )
    narrow = (low is None or (low2 is not None and low <= low2)) and (
        high is None or (high2 is not None and high2 <= high)
    )
    assert (bump_of(compare(in_old, in_new)) < Bump.MAJOR) is wide
    assert (bump_of(compare(out_old, out_new)) < Bump.MAJOR) is narrow
    assert (compare(in_old, in_new) == ()) is same


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Signature((), (SCORE,)), "has no input"),
        (lambda: Signature((AGE,), ()), "has no output"),
        (lambda: Signature((AGE, AGE), (SCORE,)), "'age' stands twice"),
        (lambda: Signature((Feature(""),), (SCORE,)), "has no name"),
        (lambda: Signature((Feature("a", minimum=2, maximum=1),), (SCORE,)), "minimum 2 is above maximum 1"),
        (lambda: Signature((Feature("a", required=False),), (SCORE,)), "no default and is not nullable"),
    ],
)
def test_a_signature_that_cannot_be_right_is_refused_with_the_place(make, says: str) -> None:
    with pytest.raises(InvalidError, match=says):
        make()
