"""A candidate passes when the bounds say so: not by luck, and not for want of rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plumbline.deployment.core.errors import InvalidError
from plumbline.deployment.core.gates import Evaluation
from plumbline.deployment.core.signature import Output
from plumbline.deployment.core.verdicts import Outcome
from plumbline.deployment.pipeline.gates.measures import LOWER_IS_BETTER, NEEDS, compare, delong
from plumbline.deployment.pipeline.gates.performance import performance

METRICS = ("roc_auc", "average_precision", "brier", "log_loss", "accuracy", "precision", "recall", "f1")


def outcomes(situation):
    return [verdict.outcome for verdict in performance(situation)]


def chosen(metric="roc_auc", **more):
    return {"metric": metric, "output": "label" if NEEDS[metric] == "label" else "score", "positive": "leaves", **more}


@pytest.mark.parametrize("metric", METRICS)
def test_an_equal_candidate_passes_whatever_is_measured(a_situation, metric):
    assert outcomes(a_situation(settings=chosen(metric))) == [Outcome.PASS]


@pytest.mark.parametrize("metric", METRICS)
def test_a_candidate_that_guesses_fails_whatever_is_measured(a_situation, a_side, metric):
    def guess(answers):
        score = np.random.default_rng(3).random(len(answers["score"]))
        return {"score": score, "label": np.where(score > 0.5, "leaves", "stays").astype(object)}

    situation = a_situation(candidate=a_side("1.0.1", after=guess), settings=chosen(metric))
    (verdict,) = performance(situation)
    assert verdict.outcome is Outcome.FAIL
    assert verdict.measured["high"] < -0.01
    assert verdict.measured["rows"] == 1_000


def test_a_difference_that_the_rows_cannot_tell_from_the_margin_is_inconclusive(a_situation, a_side):
    def a_little_worse(answers):
        noise = np.random.default_rng(4).normal(0, 0.12, len(answers["score"]))
        return {**answers, "score": np.clip(answers["score"] + noise, 0, 1)}

    situation = a_situation(300, candidate=a_side("1.0.1", after=a_little_worse), settings=chosen(margin=0.01))
    (verdict,) = performance(situation)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.measured["low"] <= -0.01 <= verdict.measured["high"]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kept=st.integers(0, 199), seed=st.integers(0, 5))
def test_with_too_few_rows_nothing_is_concluded_however_many_more_are_dropped(a_situation, kept, seed):
    whole = a_situation(settings=chosen())
    which = np.random.default_rng(seed).permutation(1_000)[:kept]
    inputs = {name: values[which] for name, values in whole.evaluation.inputs.items()}
    few = Evaluation(inputs, whole.evaluation.labels[which], whole.evaluation.digest)
    assert outcomes(a_situation(evaluation=few, settings=chosen())) == [Outcome.INCONCLUSIVE]


@pytest.mark.parametrize("metric", ["roc_auc", "f1"])
def test_the_same_candidate_and_seed_get_the_same_verdict(a_situation, a_side, metric):
    situation = a_situation(candidate=a_side("1.0.1", slope=0.07), settings=chosen(metric))
    assert list(performance(situation)) == list(performance(situation))


def test_rows_whose_label_nobody_knows_do_not_count(a_situation):
    whole = a_situation()
    unknown = whole.evaluation.labels.copy()
    unknown[:850] = None
    (verdict,) = performance(
        a_situation(evaluation=Evaluation(whole.evaluation.inputs, unknown, ""), settings=chosen())
    )
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "only 150 labelled rows" in verdict.sentence


def test_one_class_alone_says_nothing(a_situation):
    whole = a_situation()
    labels = np.full(1_000, "stays", dtype=object)
    labels[:5] = "leaves"
    (verdict,) = performance(a_situation(evaluation=Evaluation(whole.evaluation.inputs, labels, ""), settings=chosen()))
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "only 5 rows of one of the two classes" in verdict.sentence


def test_without_labels_or_rows_it_is_inconclusive(a_situation):
    assert outcomes(a_situation(evaluation=None, settings=chosen())) == [Outcome.INCONCLUSIVE]


def test_a_first_deployment_needs_a_limit(a_situation):
    assert outcomes(a_situation(production=None, settings=chosen())) == [Outcome.INCONCLUSIVE]
    (verdict,) = performance(a_situation(production=None, settings=chosen(limit=0.7)))
    assert (verdict.gate, verdict.outcome) == ("performance/limit", Outcome.PASS)
    assert outcomes(a_situation(production=None, settings=chosen(limit=0.999))) == [Outcome.FAIL]
    assert outcomes(a_situation(production=None, settings=chosen("brier", limit=0.3))) == [Outcome.PASS]
    assert outcomes(a_situation(production=None, settings=chosen("brier", limit=0.01))) == [Outcome.FAIL]


def test_answers_that_are_not_finite_fail(a_situation, a_side):
    def spoilt(answers):
        score = answers["score"].copy()
        score[3] = np.nan
        return {**answers, "score": score}

    assert outcomes(a_situation(candidate=a_side(after=spoilt), settings=chosen())) == [Outcome.FAIL]


def test_the_areas_are_those_of_pairs_counted_one_by_one():
    rng = np.random.default_rng(0)
    truth = (rng.random(60) < 0.4).astype(float)
    scores = np.round(rng.random((2, 60)) + 0.3 * truth, 1)  # with ties
    areas, _ = delong(truth, scores)
    for side, area in zip(scores, areas, strict=True):
        pairs = side[truth == 1][:, None] - side[truth == 0][None, :]
        assert area == pytest.approx(((pairs > 0) + 0.5 * (pairs == 0)).mean())


def test_the_bounds_of_delong_miss_the_truth_about_as_often_as_they_say():
    rng = np.random.default_rng(1)
    missed = 0
    for _ in range(400):
        truth = (rng.random(300) < 0.3).astype(float)
        shared = rng.normal(0, 1, 300) + 1.2 * truth
        sides = shared + rng.normal(0, 0.5, (2, 300))  # equally good: the true difference is 0
        found = compare("roc_auc", truth, sides[0], sides[1], alpha=0.05, repeats=200, seed=0)
        missed += found.better.low > 0
    assert missed / 400 < 0.09  # 5 % expected; 0.09 is beyond 3.5 standard errors


@pytest.mark.parametrize("metric", ["mae", "rmse", "r2"])
def test_numbers_are_measured_whichever_way_the_metric_points(metric):
    rng = np.random.default_rng(2)
    truth = rng.normal(0, 1, 500)
    near, far = truth + rng.normal(0, 0.1, 500), truth + rng.normal(0, 0.5, 500)
    found = compare(metric, truth, near, far, alpha=0.05, repeats=300, seed=0)
    assert found.better.low > 0
    assert (found.candidate.value < found.production) == (metric in LOWER_IS_BETTER)


def test_more_rows_than_the_bootstrap_takes_are_thinned_out():
    rng = np.random.default_rng(3)
    truth = rng.normal(0, 1, 30_000)
    found = compare("mae", truth, truth + 0.1, truth + 0.1, alpha=0.05, repeats=200, seed=0)
    assert found.better.value == 0
    assert found.candidate.value == pytest.approx(0.1)


@pytest.fixture
def answering(a_situation, a_side):
    """A candidate alone, whose outputs are others; labels are those of the logistic model."""

    def judge(outputs, after, labels=None, **settings):
        base = a_situation().candidate.manifest.signature
        whole = a_situation().evaluation
        side = a_side("1.0.1", replace(base, outputs=outputs))
        side.model.after = after
        evaluation = Evaluation(whole.inputs, whole.labels if labels is None else labels, whole.digest)
        found = a_situation(candidate=side, production=None, evaluation=evaluation, settings=settings)
        return list(performance(found))

    return judge


def both(answers):
    return {"probabilities": np.stack([1 - answers["score"], answers["score"]], axis=1)}


PROBABILITIES = (Output("probabilities", shape=(2,), classes=("stays", "leaves")),)


@pytest.mark.parametrize(("metric", "limit"), [("roc_auc", 0.8), ("accuracy", 0.7), ("f1", 0.6)])
def test_probabilities_of_all_classes_are_read_by_the_names_of_the_classes(answering, metric, limit):
    (verdict,) = answering(PROBABILITIES, both, metric=metric, limit=limit)
    assert verdict.passed
    turned = (replace(PROBABILITIES[0], classes=("leaves", "stays")),)
    (verdict,) = answering(turned, both, metric=metric, limit=limit, positive="leaves")
    assert verdict.outcome is Outcome.FAIL


def test_a_class_that_no_output_names_is_told(answering):
    with pytest.raises(InvalidError, match="names no class 'goes'"):
        answering(PROBABILITIES, both, metric="roc_auc", limit=0.8, positive="goes")


def test_one_score_becomes_a_label_at_one_half(answering):
    score = (Output("score"),)
    (verdict,) = answering(score, lambda answers: answers, metric="accuracy", limit=0.7, positive="leaves")
    assert verdict.passed
    three = np.resize(np.array(["a", "b", "c"], dtype=object), 1_000)
    with pytest.raises(InvalidError, match="the labels are no two classes"):
        answering(score, lambda answers: answers, three, metric="accuracy", limit=0.7)


def test_numbers_are_compared_as_numbers(answering):
    number = (Output("score"),)
    truth = np.linspace(0, 1, 1_000)
    (verdict,) = answering(number, lambda _: {"score": truth + 0.01}, truth, metric="mae", limit=0.02)
    assert verdict.passed
    (verdict,) = answering(number, lambda _: {"score": truth}, (truth > 0.5).astype(int), metric="roc_auc", limit=0.9)
    assert verdict.passed


def test_where_several_outputs_could_be_meant_the_pipeline_names_one(answering):
    two = (Output("a"), Output("b"))
    with pytest.raises(InvalidError, match=r"several outputs could be meant \(a, b\)"):
        answering(two, lambda _: {}, metric="roc_auc", limit=0.5)
    with pytest.raises(InvalidError, match="there is no output 'c'; known are a, b"):
        answering(two, lambda _: {}, metric="roc_auc", limit=0.5, output="c")
