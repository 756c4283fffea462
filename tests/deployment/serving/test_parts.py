"""The parts of the server one by one: what a process test reaches only by chance."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.deployment.core.errors import (
    ConflictError,
    CorruptError,
    DeploymentError,
    FencedError,
    FullError,
    InvalidError,
    NotFoundError,
    UnavailableError,
)
from plumbline.deployment.core.manifest import Golden
from plumbline.deployment.core.model import Table
from plumbline.deployment.core.signature import Feature, Output, Signature
from plumbline.deployment.serving import golden, metrics, options, split, wire
from plumbline.deployment.serving.checks import Checker
from plumbline.deployment.serving.fence import Fence
from plumbline.deployment.serving.finite import finite
from plumbline.deployment.serving.loading import loader_of
from plumbline.deployment.serving.options import Options
from plumbline.deployment.serving.recent import Recent
from plumbline.deployment.serving.refusals import raised
from plumbline.deployment.serving.source import FolderSource
from plumbline.deployment.serving.tally import Tally

MIXED = Signature(
    (
        Feature("plan", "string", choices=("basic", "gold")),
        Feature("note", "string", required=False, default="none", nullable=True),
        Feature("active", "bool"),
        Feature("months", "int", choices=(1, 12)),
        Feature("weights", shape=(2,), minimum=0),
        Feature("words", "string", (2,), required=False, nullable=True),
    ),
    (Output("label", "string", classes=("stay", "go")), Output("p", shape=(2,), classes=("stay", "go"))),
)


def _request(**tensors: tuple[list[int], str, Any]) -> wire.Request:
    inputs = [{"name": n, "shape": s, "datatype": t, "data": d} for n, (s, t, d) in tensors.items()]
    return wire.request_of(wire.encoded({"inputs": inputs}))


def _mixed(**more: tuple[list[int], str, Any]) -> wire.Request:
    given: dict[str, Any] = {
        "plan": ([2], "BYTES", ["gold", "basic"]),
        "active": ([2], "BOOL", [True, False]),
        "months": ([2], "INT32", [1, 12]),
        "weights": ([2, 2], "FP32", [[0.5, 1], [2, 3]]),
    }
    return _request(**(given | more))


def test_texts_booleans_and_vectors_are_taken_by_name():
    inputs, rows = Checker(MIXED, 10).inputs(_mixed())
    assert rows == 2
    assert inputs["plan"].tolist() == ["gold", "basic"]
    assert inputs["note"].tolist() == ["none", "none"]
    assert inputs["active"].tolist() == [1.0, 0.0]
    assert inputs["months"].tolist() == [1.0, 12.0]
    assert inputs["weights"].tolist() == [[0.5, 1.0], [2.0, 3.0]]
    assert inputs["words"].shape == (2, 2)
    words, _ = Checker(MIXED, 10).inputs(_mixed(words=([2, 2], "BYTES", [["a", "b"], ["c", None]])))
    assert words["words"].tolist() == [["a", "b"], ["c", ""]]


@pytest.mark.parametrize(
    ("more", "reason", "field", "row"),
    [
        ({"plan": ([2], "BYTES", ["gold", "iron"])}, "unknown_choice", "plan", 1),
        ({"plan": ([2], "BYTES", ["gold", None])}, "missing_value", "plan", 1),
        ({"plan": ([2], "FP32", [1, 2])}, "wrong_type", "plan", None),
        ({"months": ([2], "INT32", [1, 5])}, "unknown_choice", "months", 1),
        ({"active": ([2], "INT32", [1, 3])}, "out_of_range", "active", 1),
        ({"weights": ([2, 3], "FP32", [1] * 6)}, "wrong_shape", "weights", None),
        ({"weights": ([2, 2], "FP32", [1, 1, 1, -1])}, "out_of_range", "weights", 1),
        ({"weights": ([2, 2], "BYTES", ["a"] * 4)}, "wrong_type", "weights", None),
        ({"weights": ([2], "FP32", [1, 1])}, "wrong_shape", "weights", None),
    ],
)
def test_each_kind_of_feature_refuses_what_is_not_its_own(more, reason, field, row):
    with pytest.raises(InvalidError) as refused:
        Checker(MIXED, 10).inputs(_mixed(**more))
    facts = refused.value.as_dict()
    assert (facts["reason"], facts["field"], facts.get("row")) == (reason, field, row)


def test_a_matrix_of_numbers_has_no_texts_even_if_their_names_came_before_in_this_order():
    two = Signature((Feature("months"), Feature("plan", "string")), (Output("y"),))
    checker = Checker(two, 10)
    checker.inputs(_request(months=([1], "FP64", [1]), plan=([1], "BYTES", ["gold"])))
    one = {
        "name": "x",
        "shape": [1, 2],
        "datatype": "FP64",
        "data": [1, 2],
        "parameters": {"columns": ["months", "plan"]},
    }
    with pytest.raises(InvalidError, match="'plan' is string, but was sent as FP64"):
        checker.inputs(wire.request_of(wire.encoded({"inputs": [one]})))


def test_deeper_lists_must_have_the_shape_they_say():
    deep = Signature((Feature("image", shape=(2, None)),), (Output("y"),))
    inputs, _ = Checker(deep, 10).inputs(_request(image=([1, 2, 2], "FP32", [[[1, 2], [3, 4]]])))
    assert inputs["image"].tolist() == [[[1.0, 2.0], [3.0, 4.0]]]
    for data in ([[[1, 2], [3]]], [[[1, 2]]], [[[1, 2], [3, 4]]] * 2):
        with pytest.raises(InvalidError, match="do not have the shape"):
            Checker(deep, 10).inputs(_request(image=([1, 2, 2], "FP32", data)))
    with pytest.raises(InvalidError, match="datatype is FP32"):
        Checker(deep, 10).inputs(_request(image=([1, 2, 2], "FP32", [[[1, 2], [3, "x"]]])))


def test_outputs_that_are_no_finite_values_are_found():
    assert finite({"y": np.array([1.0]), "label": np.array(["a"], dtype=object)}) is None
    assert finite({"y": np.array([1.0, np.inf])}) == "y"
    assert finite({"label": np.array(["a", None], dtype=object)}) == "label"


def test_answers_carry_the_types_that_the_model_gave():
    arrays = {"n": np.array([1], dtype=np.int32), "b": np.array([True]), "s": np.array(["x"], dtype=object)}
    kinds: dict[str, Any] = {"n": "int", "b": "bool", "s": "string"}
    body = wire.answer("m", "1.0.0+a", None, arrays, ("n", "b", "s"), kinds).decode()
    assert [word for word in ("INT32", "BOOL", "BYTES") if word in body] == ["INT32", "BOOL", "BYTES"]


@given(st.text(min_size=1), st.floats(0.05, 0.95), st.floats(0.01, 0.5))
def test_a_growing_share_only_gains_keys(key, share, more):
    before = split.winner("m", key, [("old", 1 - share), ("new", share)])
    grown = min(share + more, 0.99)
    after = split.winner("m", key, [("old", 1 - grown), ("new", grown)])
    assert not (before == 1 and after == 0)


def test_keys_are_split_as_the_shares_say():
    met = Counter(split.winner("m", str(key), [("a", 0.7), ("b", 0.2), ("c", 0.1)]) for key in range(20_000))
    assert [met[place] / 20_000 for place in range(3)] == pytest.approx([0.7, 0.2, 0.1], abs=0.02)


def test_the_fence_lets_no_older_epoch_in_and_remembers(tmp_path):
    path = tmp_path / "epoch"
    fence = Fence(path)
    fence.pass_(3)
    fence.pass_(3)
    with pytest.raises(FencedError):
        fence.pass_(2)
    assert Fence(path).epoch == 3
    path.write_text("three")
    with pytest.raises(CorruptError, match="holds no epoch"):
        Fence(path)
    gone = Fence(tmp_path / "no" / "epoch")
    with pytest.raises(UnavailableError, match="cannot be written"):
        gone.pass_(1)
    assert gone.epoch == 0
    with pytest.raises(UnavailableError, match="cannot be read"):
        Fence(tmp_path)


def test_golden_answers_are_compared_within_the_tolerance():
    known = Golden({"x": (1.0, None)}, {"y": (0.5, 0.25), "label": ("a", "b")}, 1e-3)
    right = {"y": np.array([0.5, 0.2505]), "label": np.array(["a", "b"], dtype=object)}
    assert golden.compare(known, right).same
    for wrong, sentence in (
        ({"y": right["y"]}, "'label' is missing"),
        (right | {"y": np.array([0.5])}, "has shape"),
        (right | {"y": np.array([0.5, 0.3])}, "golden row 1: off by 0.05"),
        (right | {"y": np.array([0.5, np.nan])}, "off by inf"),
        (right | {"label": np.array(["a", "c"], dtype=object)}, "other answers"),
    ):
        assert sentence in golden.compare(known, wrong).sentence
    texts = Signature((Feature("x", "string", nullable=True),), (Output("y"),))
    rows, count = golden.rows_of(Golden({"x": ("a", None)}, {}), texts)
    assert (rows["x"].tolist(), count) == (["a", ""], 2)
    for empty in (Golden({}, {}), Golden({"x": ()}, {}), Golden({"z": (1,)}, {})):
        with pytest.raises(CorruptError):
            golden.rows_of(empty, texts)


def test_a_folder_holds_versions_and_an_altered_file_is_named(tmp_path, write_version):
    digests = [write_version(tmp_path, version, bias) for version, bias in (("1.2.0", 0.1), ("1.10.0", 0.2))]
    source = FolderSource(tmp_path, "churn")
    assert [one.version for one in source.index()] == ["1.2.0", "1.10.0"]
    assert source.find("latest").version == "1.10.0"
    assert source.find(digests[0][:20]).version == "1.2.0"
    found = source.find("1.2.0")
    assert source.folder(found) == tmp_path / "1.2.0"
    assert FolderSource(tmp_path / "1.2.0", "churn").find("latest") == found
    (tmp_path / "1.2.0" / "model.onnx").write_bytes(b"other")
    with pytest.raises(CorruptError, match=r"model\.onnx is not what its manifest names"):
        source.folder(found)
    (tmp_path / "1.2.0" / "model.onnx").unlink()
    with pytest.raises(CorruptError, match="No such file"):
        source.folder(found)
    (tmp_path / "1.2.0" / "manifest.json").unlink()
    with pytest.raises(NotFoundError, match="any more"):
        source.folder(found)
    for ref, model in (("9.9.9", "churn"), ("latest", "other")):
        with pytest.raises(NotFoundError):
            FolderSource(tmp_path, model).find(ref)


def test_scores_and_missing_values_are_counted_over_many_requests():
    tally = Tally(MIXED, {"p": np.array([[0.1, 0.9]])})
    outputs = {"label": np.array(["go"], dtype=object), "p": np.array([[0.25, 0.75]])}
    inputs = {
        "plan": np.array(["gold"], dtype=object),
        "note": np.array([""], dtype=object),
        "active": np.array([np.nan]),
    }
    for _ in range(300):  # more than are kept
        tally.answered(inputs, outputs, 1, 0.002)
    assert tally.labels == {("label", "go"): 256}
    [score] = tally.scores()
    assert (score.output, score.label, score.total) == ("p", "go", 225.0)
    assert score.cumulative()[-1] == ("+Inf", 300.0)
    assert {name: count for name, count in tally.missing().items() if count} == {"note": 300, "active": 300}
    for classes, labels in ((tuple("abc"), list("abc")), (tuple(map(str, range(30))), ["max"])):
        many = Tally(
            Signature((Feature("x"),), (Output("p", shape=(len(classes),), classes=classes, minimum=0, maximum=1),)), {}
        )
        many.answered(Table(("x",), np.zeros((1, 1))), {"p": np.full((1, len(classes)), 0.5)}, 1, 0.1)
        assert [(one.label, one.total) for one in many.scores()] == [(label, 0.5) for label in labels]


def test_the_ring_keeps_no_request_larger_than_itself():
    ring = Recent(2)
    ring.note({"x": np.arange(3.0)}, 3)
    assert ring.columns() == {}
    ring.note({"x": np.array([[1.0, np.nan]])}, 1)
    assert ring.columns() == {"x": [[1.0, None]]}


def test_options_are_read_of_texts_and_checked():
    assert options.parsed(["queue=5", "drain_s=2.5", "allow_load=true", "host=::1"]) == {
        "queue": 5,
        "drain_s": 2.5,
        "allow_load": True,
        "host": "::1",
    }
    for wrong in ("queue", "quue=5", "queue=many", "allow_load=yes"):
        with pytest.raises(InvalidError):
            options.parsed([wrong])
    for given_ in ({"model": ""}, {"registry": "/r"}, {"queue": -1}, {"folder": None}):
        with pytest.raises(InvalidError):
            Options(**({"model": "m", "folder": "/f"} | given_))  # type: ignore[arg-type] # on purpose


def test_refusals_come_back_as_the_errors_they_were():
    for error in (
        FencedError("a", epoch=1),
        FullError("b"),
        ConflictError("c"),
        DeploymentError("d"),
        NotFoundError("e"),
    ):
        back = raised(error.as_dict())
        assert (type(back), back.as_dict()) == (type(error), error.as_dict())
    finer = raised({"reason": "not_ready", "error": "f"})
    assert (type(finer), finer.data["reason"]) == (InvalidError, "not_ready")


def test_a_loader_that_is_not_there_is_named():
    for name in ("nowhere:load", "plumbline.deployment:load", "x"):
        with pytest.raises(InvalidError, match="there is no loader"):
            loader_of(name)


def test_the_hot_path_imports_neither_training_nor_databases_nor_plots():
    code = (
        "import sys, plumbline.deployment.serving.running, plumbline.deployment.models.onnx;"
        "print([one for one in ('sklearn', 'sqlalchemy', 'matplotlib', 'pandas', 'torch') if one in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_reference_tables_are_those_of_the_code():
    page = (Path(__file__).parents[3] / "docs/reference/deployment/server.md").read_text()
    assert options.table() in page
    assert metrics.metrics_table() in page
