"""A contract that breaks is told and stopped; today's callers are asked, not guessed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plumbline.deployment.core.signature import Feature, Signature
from plumbline.deployment.core.verdicts import Outcome
from plumbline.deployment.pipeline.gates.callers import refusals, refused
from plumbline.deployment.pipeline.gates.signature import signature


@pytest.fixture
def with_region(a_situation):
    base = a_situation().candidate.manifest.signature
    return Signature((*base.inputs, Feature("region", kind="string")), base.outputs)


def only(verdicts):
    (verdict,) = verdicts
    return verdict


def test_the_same_contract_passes(a_situation):
    verdict = only(signature(a_situation()))
    assert verdict.outcome is Outcome.PASS
    assert verdict.sentence == "same contract as 1.0.0"
    assert verdict.measured["bump"] == "patch"


def test_a_broken_contract_fails_and_says_what_breaks(a_situation, a_side, with_region):
    verdict = only(signature(a_situation(candidate=a_side("2.0.0", with_region))))
    assert verdict.outcome is Outcome.FAIL
    assert "input 'region' is new and required" in verdict.sentence
    assert "break_callers" in verdict.sentence
    assert verdict.measured["changes"][0]["code"] == "input-added-required"


def test_a_broken_contract_passes_with_a_major_version_once_callers_have_moved(a_situation, a_side, with_region):
    moved = {"break_callers": True}
    assert only(signature(a_situation(candidate=a_side("2.0.0", with_region), settings=moved))).passed
    low = only(signature(a_situation(candidate=a_side("1.1.0", with_region), settings=moved)))
    assert low.outcome is Outcome.FAIL
    assert "a major change asks for 2.0.0" in low.sentence
    unnumbered = only(signature(a_situation(candidate=a_side(None, with_region), settings=moved)))
    assert unnumbered.outcome is Outcome.INCONCLUSIVE


def test_an_addition_passes_and_is_told(a_situation, a_side):
    base = a_situation().candidate.manifest.signature
    wider = replace(base, inputs=(*base.inputs, Feature("region", kind="string", required=False, default="eu")))
    verdict = only(signature(a_situation(candidate=a_side("1.1.0", wider))))
    assert verdict.passed
    assert "minor change: input 'region' is new and optional" in verdict.sentence
    assert only(signature(a_situation(candidate=a_side("1.0.1", wider)))).outcome is Outcome.FAIL


def test_a_first_deployment_has_no_caller_to_break(a_situation):
    assert only(signature(a_situation(production=None))).passed


def test_a_model_with_another_signature_than_its_manifest_fails(a_situation, a_side, with_region):
    side = a_side()
    side.model.signature = with_region
    assert only(signature(a_situation(candidate=side))).outcome is Outcome.FAIL


def test_requests_of_todays_callers_decide_beside_the_paper(a_situation):
    recent = dict(a_situation().evaluation.inputs)
    recent["age"] = np.where(np.arange(1_000) < 30, 130.0, recent["age"])
    paper, asked = signature(a_situation(recent=recent))
    assert paper.passed
    assert asked.gate == "signature/callers"
    assert asked.outcome is Outcome.FAIL
    assert asked.measured["refused"] == pytest.approx(0.03)
    assert "'age' is above 120 in 30" in asked.sentence
    _, tolerated = signature(a_situation(recent=recent, settings={"refused": 0.05}))
    assert tolerated.passed


def test_no_recent_request_is_no_evidence(a_situation):
    _, asked = signature(a_situation(recent={"age": np.empty(0)}))
    assert asked.outcome is Outcome.INCONCLUSIVE


def test_every_reason_to_refuse_a_row_is_found(a_situation):
    contract = Signature(
        (
            Feature("n", kind="int", minimum=0),
            Feature("word", kind="string", choices=("a", "b")),
            Feature("x", nullable=True),
            Feature("gone"),
        ),
        a_situation().candidate.manifest.signature.outputs,
    )
    found = refusals(
        contract,
        {
            "n": np.array([1.0, 1.5, -1.0, np.nan]),
            "word": np.array(["a", "c", None, "b"], dtype=object),
            "x": np.array(["1", "2", "3", "4"], dtype=object),
            "extra": np.zeros(4),
        },
    )
    told = {(one.feature, one.why): one.rows.tolist() for one in found}
    assert told == {
        ("extra", "is not known"): [True] * 4,
        ("n", "is missing"): [False, False, False, True],
        ("n", "is no whole number"): [False, True, False, False],
        ("n", "is below 0"): [False, False, True, False],
        ("word", "is missing"): [False, False, True, False],
        ("word", "is none of the listed values"): [False, True, False, False],
        ("x", "is no float"): [True] * 4,
        ("gone", "is required and not sent"): [True] * 4,
    }


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ages=st.lists(st.floats(-50, 200) | st.just(float("nan")), min_size=1, max_size=30), dropped=st.integers(0, 29))
def test_dropping_rows_that_were_taken_never_makes_a_row_refused(a_situation, ages, dropped):
    contract = a_situation().candidate.manifest.signature
    rows = {"age": np.array(ages), "spend": np.zeros(len(ages)), "plan": np.full(len(ages), "basic", dtype=object)}
    whole = refused(refusals(contract, rows), len(ages))
    kept = np.delete(np.arange(len(ages)), min(dropped, len(ages) - 1))
    part = refused(refusals(contract, {name: values[kept] for name, values in rows.items()}), len(kept))
    assert part.tolist() == whole[kept].tolist()
    assert whole.tolist() == [not 0 <= age <= 120 for age in ages]
