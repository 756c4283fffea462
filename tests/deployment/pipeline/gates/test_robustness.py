"""Odd rows that the contract allows get answers that it promises."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plumbline.deployment.core.errors import InvalidError
from plumbline.deployment.core.gates import Evaluation
from plumbline.deployment.core.signature import Feature, Output, Signature
from plumbline.deployment.core.verdicts import Outcome
from plumbline.deployment.pipeline.gates.disturbances import UNSEEN
from plumbline.deployment.pipeline.gates.robustness import robustness

WAYS = {f"robustness/{way}" for way in ("noise", "missing", "boundary", "extreme", "columns")}


def judged(situation):
    return {verdict.gate: verdict for verdict in robustness(situation)}


def failed(situation):
    return {gate for gate, verdict in judged(situation).items() if verdict.outcome is not Outcome.PASS}


def spoil(a_side, when, value):
    """A model whose score is `value` wherever a row is odd in some way."""
    seen = {}

    def before(rows):
        seen["odd"] = when(rows)
        return rows

    def after(answers):
        return {**answers, "score": np.where(seen["odd"], value, answers["score"])}

    return a_side("1.0.1", before=before, after=after)


def test_a_sound_model_passes_every_way(a_situation):
    verdicts = judged(a_situation())
    assert set(verdicts) == WAYS
    assert all(verdict.passed for verdict in verdicts.values())
    assert verdicts["robustness/missing"].measured["tried"] == 1  # `spend` alone may be missing
    assert verdicts["robustness/boundary"].measured["tried"] == 4  # two ends of `age`, two plans


@pytest.mark.parametrize(
    ("gate", "when"),
    [
        ("robustness/boundary", lambda rows: np.asarray(rows["age"]) == 120),
        ("robustness/extreme", lambda rows: np.abs(np.nan_to_num(rows["spend"])) > 1e5),
        ("robustness/missing", lambda rows: np.isnan(rows["spend"]) & np.isnan(rows["spend"]).all()),
    ],
)
@pytest.mark.parametrize("value", [np.nan, np.inf, 1.5])
def test_an_answer_that_the_contract_does_not_promise_fails_the_way_that_found_it(
    a_situation, a_side, gate, when, value
):
    situation = a_situation(candidate=spoil(a_side, when, value))
    assert failed(situation) == {gate}


def test_a_model_that_noise_throws_about_fails(a_situation, a_side):
    def hash_like(answers):
        return {**answers, "score": np.mod(answers["score"] * 1e4, 1.0)}

    found = judged(a_situation(candidate=a_side("1.0.1", after=hash_like)))["robustness/noise"]
    assert found.outcome is Outcome.FAIL
    assert found.measured["moved"]["score"] > 0.1


def test_a_model_that_reads_columns_by_place_fails(a_situation, a_side):
    def by_place(rows):
        first = next(value for value in rows.values() if np.asarray(value).dtype.kind == "f")
        return {**rows, "age": first}

    assert "robustness/columns" in failed(a_situation(candidate=a_side("1.0.1", before=by_place)))


def test_undisturbed_rows_come_first(a_situation, a_side):
    side = spoil(a_side, lambda rows: np.ones(len(rows["age"]), dtype=bool), np.nan)
    (verdict,) = judged(a_situation(candidate=side)).values()
    assert verdict.outcome is Outcome.FAIL
    assert "even undisturbed rows" in verdict.sentence


def test_a_class_that_the_contract_does_not_name_fails(a_situation, a_side):
    side = a_side("1.0.1", after=lambda answers: {**answers, "label": np.full(len(answers["label"]), "maybe")})
    (verdict,) = judged(a_situation(candidate=side)).values()
    assert "answers 'maybe'" in verdict.sentence
    (verdict,) = judged(a_situation(candidate=a_side(after=lambda answers: {"score": answers["score"]}))).values()
    assert "output 'label' is missing" in verdict.sentence


def test_refusing_an_extreme_value_is_an_answer_unless_the_pipeline_wants_one(a_situation, a_side):
    def refuse(rows):
        if (np.abs(np.nan_to_num(rows["spend"])) > 1e5).any():
            raise InvalidError("spend is out of this world")
        return rows

    side = a_side("1.0.1", before=refuse)
    assert judged(a_situation(candidate=side))["robustness/extreme"].measured["refused"] == 2
    assert failed(a_situation(candidate=side, settings={"refuse": False})) == {"robustness/extreme"}


def test_words_that_no_training_saw_are_tried(a_situation, a_side):
    words = set()
    base = a_situation().candidate.manifest.signature
    free = replace(base, inputs=(*base.inputs[:2], Feature("plan", kind="string", nullable=True)))
    side = a_side("1.0.1", free, before=lambda rows: words.update(rows["plan"]) or rows)
    assert not failed(a_situation(candidate=side))
    assert UNSEEN in words
    assert "" in words


def test_a_contract_without_room_for_oddness_is_only_asked_what_it_allows(a_situation, a_side):
    base = a_situation().candidate.manifest.signature
    narrow = Signature(
        (Feature("age", minimum=0, maximum=120), Feature("spend", choices=(10.0, 20.0)), base.inputs[2]), base.outputs
    )
    inputs = {**a_situation().evaluation.inputs, "spend": np.full(1_000, 10.0)}
    evaluation = Evaluation(inputs, None, "")
    verdicts = judged(a_situation(candidate=a_side("1.0.1", narrow), evaluation=evaluation))
    assert set(verdicts) == WAYS - {"robustness/missing", "robustness/extreme"}


def test_numbers_without_a_promised_range_move_relative_to_their_spread(a_situation, a_side):
    base = a_situation().candidate.manifest.signature
    free = replace(base, outputs=(Output("score"), base.outputs[1]))
    assert not failed(a_situation(candidate=a_side("1.0.1", free)))
    still = a_side("1.0.1", free, after=lambda answers: {**answers, "score": np.zeros(len(answers["score"]))})
    assert judged(a_situation(candidate=still))["robustness/noise"].measured["moved"]["score"] == 0


def test_without_rows_of_callers_the_golden_ones_are_too_few_for_noise(a_situation):
    verdicts = judged(a_situation(evaluation=None))
    assert verdicts["robustness/noise"].outcome is Outcome.INCONCLUSIVE
    assert verdicts["robustness/columns"].passed


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**31), slope=st.floats(0.01, 0.5))
def test_the_same_candidate_and_seed_get_the_same_verdicts(a_situation, a_side, seed, slope):
    situation = a_situation(200, candidate=a_side("1.0.1", slope=slope), seed=seed)
    assert list(robustness(situation)) == list(robustness(situation))


def test_requests_that_the_candidate_would_refuse_are_not_disturbed(a_situation):
    recent = {**a_situation().evaluation.inputs, "age": np.full(1_000, 500.0)}
    (noise, *_) = robustness(a_situation(recent=recent))
    assert noise.measured["rows"] == 200  # none of the recent rows can be asked: the held-out rows are
