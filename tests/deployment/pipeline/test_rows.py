"""Rows are read as the signature means them; a cell that does not fit is told with its line."""

from __future__ import annotations

import json

import numpy as np
import pytest

from plumbline.deployment.core.errors import InvalidError, NotFoundError
from plumbline.deployment.core.signature import Feature, Output, Signature
from plumbline.deployment.pipeline.gates.callers import refusals
from plumbline.deployment.pipeline.parts import Evaluated, Recent
from plumbline.deployment.pipeline.rows import digest, evaluation, recent

SIGNATURE = Signature(
    (
        Feature("age", kind="int"),
        Feature("spend", nullable=True),
        Feature("vip", kind="bool"),
        Feature("plan", kind="string"),
        Feature("region", kind="string", required=False, default="eu"),
    ),
    (Output("score"),),
)


@pytest.fixture
def file(tmp_path):
    def write(text, name="rows.csv"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def test_columns_have_the_types_of_the_signature_and_others_are_left_out(file):
    path = file("id,age,spend,vip,plan,left\n1,30,1.5,true,plus,1\n2,40,,no,basic,0\n")
    found = evaluation(path, Evaluated("rows.csv", "left"), SIGNATURE)
    assert {name: values.dtype.kind for name, values in found.inputs.items()} == {
        "age": "i",
        "spend": "f",
        "vip": "b",
        "plan": "O",
    }
    assert np.isnan(found.inputs["spend"][1])
    assert found.inputs["vip"].tolist() == [True, False]
    assert found.labels.tolist() == [1, 0]
    assert found.digest == digest(path)


@pytest.mark.parametrize(
    ("cells", "labels"),
    [(["1", "0"], [1, 0]), (["0.5", "1"], [0.5, 1.0]), (["yes", "no"], ["yes", "no"]), (["yes", ""], ["yes", None])],
)
def test_labels_are_numbers_if_all_are(file, cells, labels):
    rows = "".join(f"1,1,1,a,{cell}\n" for cell in cells)
    found = evaluation(file(f"age,spend,vip,plan,left\n{rows}"), Evaluated("rows.csv", "left"), SIGNATURE)
    assert found.labels.tolist() == labels


def test_no_more_rows_are_read_than_are_wanted(file):
    path = file("age,spend,vip,plan,left\n" + "1,1,1,a,0\n" * 50)
    assert len(evaluation(path, Evaluated("rows.csv", "left", 20), SIGNATURE).labels) == 20


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("age,spend,vip,plan,left\n1,1,1,a,0\nold,1,1,a,0\n", "rows.csv:3: 'old' is no int, which input 'age' is"),
        ("age,spend,vip,plan,left\n1,1,1,a\n", "rows.csv:2: the row has another number of cells"),
        ("age,spend,vip,plan,left\n1,1,1,a,0,7\n", "rows.csv:2: the row has another number of cells"),
        ("age,spend,vip,plan\n1,1,1,a\n", "has no column 'left'; it has age, spend"),
        ("age,spend,vip,left\n1,1,1,0\n", "has no column for input 'plan'"),
        ("age,spend,vip,plan,left\n", "has no row"),
    ],
)
def test_what_does_not_fit_is_told_with_its_line(file, text, said):
    with pytest.raises(InvalidError, match=said):
        evaluation(file(text), Evaluated("rows.csv", "left"), SIGNATURE)


def test_a_file_that_cannot_be_read_is_told(tmp_path):
    with pytest.raises(NotFoundError, match="there is no such file"):
        evaluation(tmp_path / "none.csv", Evaluated("none.csv", "left"), SIGNATURE)
    (tmp_path / "latin.csv").write_bytes(b"age\n\xe9\n")
    with pytest.raises(InvalidError, match="cannot be read"):
        recent(tmp_path / "latin.csv", Recent("latin.csv"), SIGNATURE)


def test_recent_requests_stay_as_callers_sent_them(file):
    rows = [
        {"age": 1, "spend": None, "vip": True, "plan": "a", "new": 7},
        {"age": "old", "spend": 2.0, "vip": False, "plan": "b", "region": "us"},
    ]
    path = file("\n".join(json.dumps(row) for row in rows), "rows.jsonl")
    found = recent(path, Recent("rows.jsonl"), SIGNATURE)
    assert found["region"].tolist() == ["eu", "us"]  # left out: the server fills in the default
    assert {(one.feature, one.why) for one in refusals(SIGNATURE, found)} == {
        ("age", "is no int"),
        ("new", "is not known"),
    }


def test_the_last_rows_are_the_recent_ones(file):
    path = file("age,spend,vip,plan\n" + "".join(f"{n},1,1,a\n" for n in range(30)))
    assert recent(path, Recent("rows.csv", 3), SIGNATURE)["age"].tolist() == [27, 28, 29]


@pytest.mark.parametrize(
    ("line", "said"), [("{", "rows.jsonl:1: is no JSON"), ("[1]", "rows.jsonl:1: a request is a JSON object")]
)
def test_a_line_that_is_no_request_is_told(file, line, said):
    with pytest.raises(InvalidError, match=said):
        recent(file(line, "rows.jsonl"), Recent("rows.jsonl"), SIGNATURE)
