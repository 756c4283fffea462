"""The artefact answers what the training framework answered, or it does not serve."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from plumbline.deployment.core.errors import InvalidError
from plumbline.deployment.core.verdicts import Outcome
from plumbline.deployment.pipeline.gates.parity import parity, read, record, worst


def recorded(situation, apart=0.0, count=100, outputs=("score", "label")):
    side = situation.candidate
    rows = {name: values[:count] for name, values in situation.evaluation.inputs.items()}
    answers = {name: values for name, values in side.model.predict(rows).items() if name in outputs}
    answers["score"] = answers["score"] + apart
    record(side.folder / "parity.npz", rows, answers)
    return situation


@pytest.mark.parametrize(("apart", "outcome"), [(0.0, Outcome.PASS), (9e-6, Outcome.PASS), (2e-5, Outcome.FAIL)])
def test_the_largest_difference_decides(a_situation, apart, outcome):
    (verdict,) = parity(recorded(a_situation(), apart))
    assert verdict.outcome is outcome
    assert verdict.measured["largest"] == pytest.approx(apart, abs=1e-12)
    assert verdict.measured["rows"] == 100


def test_the_tolerance_is_the_pipelines(a_situation):
    assert parity(recorded(a_situation(settings={"tolerance": 1e-3}), 5e-4))[0].passed


def test_answers_that_nobody_recorded_are_no_evidence(a_situation):
    (verdict,) = parity(a_situation())
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "parity.npz" in verdict.sentence
    (verdict,) = parity(recorded(a_situation(), outputs=("score",)))
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "output 'label'" in verdict.sentence


@pytest.mark.parametrize("count", [0, 1, 19])
def test_few_rows_can_fail_but_never_pass(a_situation, count):
    assert parity(recorded(a_situation(), count=count))[0].outcome is Outcome.INCONCLUSIVE
    if count:
        assert parity(recorded(a_situation(), 0.1, count))[0].outcome is Outcome.FAIL


def test_a_label_that_differs_fails(a_situation, a_side):
    situation = recorded(a_situation())
    situation.candidate.model.after = lambda answers: {**answers, "label": np.full(100, "stays", dtype=object)}
    (verdict,) = parity(situation)
    assert verdict.outcome is Outcome.FAIL
    assert verdict.measured["output"] == "label"


def test_an_output_that_is_missing_or_of_another_shape_is_infinitely_far_off():
    expected = {"score": np.zeros(3)}
    assert worst(expected, {}) == {"score": float("inf")}
    assert worst(expected, {"score": np.zeros((3, 1))}) == {"score": float("inf")}


@given(arrays.arrays(np.float64, 5, elements=st.floats(allow_nan=True, allow_infinity=True)))
def test_an_answer_equals_itself_also_where_it_is_not_finite(values):
    assert worst({"score": values}, {"score": values.copy()}) == {"score": 0.0}


def test_a_number_on_one_side_only_is_infinitely_far_off():
    assert worst({"score": np.array([np.nan])}, {"score": np.array([0.5])}) == {"score": float("inf")}
    assert worst({"score": np.array([0.5])}, {"score": np.array([np.inf])}) == {"score": float("inf")}


def test_a_record_that_would_run_code_is_refused(tmp_path):
    path = tmp_path / "parity.npz"
    np.savez(path, **{"in:age": np.array([object()], dtype=object)})
    with pytest.raises(InvalidError, match="holds no recorded answers"):
        read(path)
    path.write_bytes(pickle.dumps({"age": 1}))
    with pytest.raises(InvalidError, match="holds no recorded answers"):
        read(path)
