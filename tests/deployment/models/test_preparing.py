"""A request becomes arrays, or is refused with the field and the row that are to blame."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.deployment.core.errors import InvalidError
from plumbline.deployment.core.signature import Feature, Output, Signature
from plumbline.deployment.models import prepare

SIGNATURE = Signature(
    (
        Feature("age", "int", minimum=0, maximum=120),
        Feature("spend", nullable=True),
        Feature("plan", "string", choices=("free", "paid")),
        Feature("vip", "bool", required=False, default=False),
        Feature("note", "string", required=False, nullable=True),
        Feature("vector", shape=(2,), required=False, default=0.0),
    ),
    (Output("score"),),
)
INFINITE = (float("inf"), float("-inf"))
ROW: dict[str, Any] = {"age": 30, "spend": 1.5, "plan": "free"}


def test_defaults_are_filled_in_and_missing_values_stay_missing() -> None:
    arrays = prepare(
        SIGNATURE.__class__(SIGNATURE.inputs[:5], SIGNATURE.outputs), [ROW, ROW | {"spend": None, "vip": True}]
    )
    assert arrays["age"].tolist() == [30, 30]
    assert arrays["age"].dtype == np.int64
    assert arrays["spend"][0] == 1.5
    assert np.isnan(arrays["spend"][1])
    assert arrays["vip"].tolist() == [False, True]
    assert arrays["note"].tolist() == ["", ""]


def test_rows_columns_and_frames_give_the_same_arrays() -> None:
    small = Signature(SIGNATURE.inputs[:4], SIGNATURE.outputs)
    rows = [ROW, ROW | {"age": 31, "plan": "paid"}]
    by_row = prepare(small, rows)
    columns = {name: [row[name] for row in rows] for name in ROW}
    for other in (columns, pd.DataFrame(rows), {name: np.array(values) for name, values in columns.items()}):
        arrays = prepare(small, other)
        for name, values in by_row.items():
            assert arrays[name].tolist() == values.tolist()
            assert arrays[name].dtype == values.dtype


@pytest.mark.parametrize(
    ("row", "field", "match"),
    [
        ({"age": None}, "age", "is missing"),
        ({"age": 1.5}, "age", "takes int"),
        ({"age": True}, "age", "takes int"),
        ({"age": 2**70}, "age", "takes int"),
        ({"age": "30"}, "age", "takes int"),
        ({"age": -1}, "age", "below its minimum 0"),
        ({"age": 121}, "age", "above its maximum 120"),
        ({"spend": float("inf")}, "spend", "infinite"),
        ({"spend": "x" * 99}, "spend", r"\.\.\."),
        ({"plan": "team"}, "plan", "none of 'free', 'paid'"),
        ({"plan": 3}, "plan", "takes string"),
        ({"vip": 1}, "vip", "takes bool"),
        ({"vip": None}, "vip", "is missing"),
        ({"age": [30, 31]}, "age", "row 1"),
        ({"nope": 1}, "nope", "unknown"),
    ],
)
def test_what_the_signature_forbids_is_refused_with_field_and_row(row: Any, field: str, match: str) -> None:
    small = Signature(SIGNATURE.inputs[:4], SIGNATURE.outputs)
    good = ROW | {"age": [30]} if isinstance(row.get("age"), list) else ROW
    with pytest.raises(InvalidError, match=match) as told:
        prepare(small, [good, ROW | row])
    assert told.value.data["field"] == field
    assert told.value.data["row"] == (None if field == "nope" else 1)


@pytest.mark.parametrize(
    ("sent", "match"),
    [
        ([], "empty"),
        ({"age": []}, "empty"),
        ({}, "empty"),
        ([3], "row 0 is int"),
        ({"age": [1, 2], "spend": [1.0], "plan": ["free", "free"]}, "'spend' has 1 rows"),
        ({"age": 3}, "one value"),
        ({"age": "abc"}, "one value"),
        ([{"age": 3, "plan": "free"}], "'spend' is required"),
        ({"age": np.array([[1, 2]]), "spend": [1.0], "plan": ["free"]}, r"shape \[2\]"),
        ({"age": np.array([1.5]), "spend": [1.0], "plan": ["free"]}, "not an integer"),
        ({"age": np.array([True]), "spend": [1.0], "plan": ["free"]}, "is bool"),
        ({"age": np.array([1]), "spend": [1.0], "plan": ["free"], "vip": np.array([0.5])}, "is float64"),
        (ROW | {"age": [1], "spend": [1.0], "plan": ["free"], "vector": [[1.0]]}, r"takes \[2\]"),
        ({"age": [1, 2], "spend": [1.0, 1.0], "plan": ["free"] * 2, "vector": [[1.0], [1.0, 2.0]]}, "different shapes"),
    ],
)
def test_a_batch_of_the_wrong_form_is_refused(sent: Any, match: str) -> None:
    with pytest.raises(InvalidError, match=match):
        prepare(SIGNATURE, sent)


def test_columns_of_one_and_whole_floats_are_taken_for_what_they_are() -> None:
    sent = {"age": np.array([[30.0], [31.0]]), "spend": [[1], [2]], "plan": np.array(["free", "paid"])}
    arrays = prepare(Signature(SIGNATURE.inputs[:3], SIGNATURE.outputs), sent)
    assert arrays["age"].tolist() == [30, 31]
    assert arrays["age"].dtype == np.int64
    assert arrays["spend"].tolist() == [1.0, 2.0]


def test_nullable_integers_and_booleans_with_holes_are_floats() -> None:
    holes = Signature((Feature("n", "int", nullable=True), Feature("b", "bool", nullable=True)), SIGNATURE.outputs)
    arrays = prepare(holes, {"n": np.array([1.0, np.nan]), "b": np.array([1.0, np.nan])})
    assert [str(one.dtype) for one in arrays.values()] == ["float64", "float64"]
    assert np.isnan(arrays["b"][1])
    with pytest.raises(InvalidError, match="not a boolean"):
        prepare(holes, {"n": [1, 2], "b": np.array([2.0, np.nan])})


def test_a_vector_per_row_keeps_its_shape() -> None:
    shaped = Signature((Feature("v", shape=(2,)), Feature("w", shape=(None,))), SIGNATURE.outputs)
    arrays = prepare(shaped, [{"v": [1, 2], "w": [1.0]}, {"v": [3, 4], "w": [2.0]}])
    assert arrays["v"].tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert arrays["w"].shape == (2, 1)


def test_an_absent_vector_is_filled_with_the_default() -> None:
    arrays = prepare(SIGNATURE, [ROW, ROW | {"vector": [1.0, 2.0]}])
    assert arrays["vector"].tolist() == [[0.0, 0.0], [1.0, 2.0]]
    assert prepare(SIGNATURE, [ROW])["vector"].tolist() == [[0.0, 0.0]]


@given(
    st.lists(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3)), min_size=1, max_size=6
    )
)
def test_every_value_is_taken_whole_or_refused_with_its_row(values: list[Any]) -> None:
    one = Signature((Feature("x", nullable=True),), SIGNATURE.outputs)
    bad = [
        row
        for row, one in enumerate(values)
        if isinstance(one, bool | str) or (isinstance(one, float) and one in INFINITE)
    ]
    if bad:
        with pytest.raises(InvalidError) as told:
            prepare(one, {"x": values})
        assert told.value.data["field"] == "x"
        assert told.value.data["row"] in bad
        return
    array = prepare(one, {"x": values})["x"]
    assert array.dtype == np.float64
    for sent, got in zip(values, array.tolist(), strict=True):
        assert np.isnan(got) if sent is None or sent != sent else got == float(sent)
