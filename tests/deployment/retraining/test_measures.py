"""The figures that rules look at, held against scikit-learn and against what must be true of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, roc_auc_score

from plumbline.deployment.retraining.measures import performance, stability, stability_of_words


def test_performance_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    labels = (rng.random(500) < 0.3).astype(float)
    scores = np.round(np.clip(labels * 0.3 + rng.random(500) * 0.7, 0, 1), 2)  # with ties
    found = performance(scores, labels)
    assert found["roc_auc"] == pytest.approx(roc_auc_score(labels, scores))
    assert found["brier"] == pytest.approx(brier_score_loss(labels, scores))


def test_without_both_labels_there_is_no_area_and_without_rows_nothing() -> None:
    assert "roc_auc" not in performance(np.asarray([0.2, 0.4]), np.ones(2))
    assert performance(np.empty(0), np.empty(0)) == {}


def test_predicted_values_have_errors() -> None:
    found = performance(np.asarray([1.0, 4.0]), np.asarray([2.0, 7.0]))
    assert found == {"mae": 2.0, "rmse": pytest.approx(5**0.5), "bias": -2.0}


def test_the_index_is_small_for_the_same_world_and_large_for_another() -> None:
    rng = np.random.default_rng(2)
    training = rng.normal(0, 1, 5_000)
    same, other = stability(training, rng.normal(0, 1, 5_000)), stability(training, rng.normal(1, 1, 5_000))
    assert same is not None
    assert other is not None
    assert same < 0.02
    assert other > 0.2
    assert stability(training, np.empty(0)) is None


def test_words_are_compared_as_words() -> None:
    assert stability_of_words(["a", "b"] * 50, ["a", "b"] * 10) == pytest.approx(0)
    new = stability_of_words(["a"] * 100, ["c"] * 100)
    assert new is not None
    assert new > 1
    assert stability_of_words([], ["a"]) is None


@given(st.lists(st.floats(-1e6, 1e6), min_size=1), st.lists(st.floats(-1e6, 1e6), min_size=1))
def test_the_index_is_never_negative(one: list[float], other: list[float]) -> None:
    found = stability(np.asarray(one), np.asarray(other))
    assert found is not None
    assert found >= 0
    assert np.isfinite(found)
