"""A file is loaded only if it is what the manifest says, and only if loading it runs nothing."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from logistic_files import LOGISTIC, SAMPLE, SIGNATURE, X, written
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from plumbline.deployment.core.encoding import identity
from plumbline.deployment.core.errors import (
    CorruptError,
    DeploymentError,
    InvalidError,
    UnavailableError,
    UntrustedError,
)
from plumbline.deployment.core.signature import Feature, Output, Signature
from plumbline.deployment.models import load, pack, pack_file, prepare
from plumbline.deployment.models.onnx import OnnxModel
from plumbline.deployment.models.skops import Envelope, SkopsModel, dump


def test_a_loaded_model_answers_its_golden_rows_and_says_who_it_is(packed: Any) -> None:
    manifest, folder = packed
    model = load(folder, manifest, digest=identity(manifest), threads=1)
    assert (model.digest, model.signature) == (identity(manifest), manifest.signature)
    answers = model.predict(prepare(model.signature, manifest.golden.inputs))
    for name, expected in manifest.golden.outputs.items():
        assert answers[name].tolist() == list(expected)
    model.close()
    model.close()
    with pytest.raises(UnavailableError, match="closed"):
        model.predict(prepare(model.signature, manifest.golden.inputs))


def test_inputs_are_known_by_name_whatever_their_order(packed: Any) -> None:
    manifest, folder = packed
    model = load(folder, manifest, digest="")
    one = model.predict(prepare(model.signature, {"a": [1.0], "b": [-3.0]}))
    other = model.predict(prepare(model.signature, {"b": [-3.0], "a": [1.0]}))
    assert one["probabilities"].tolist() == other["probabilities"].tolist()
    assert one["probabilities"].shape == (1, 2)
    assert one["label"].tolist() == [True]


def test_the_same_estimator_gives_the_same_bytes(packed: Any, tmp_path: Path) -> None:
    manifest, _ = packed
    again, _ = pack(LOGISTIC, SAMPLE, model="m", folder=tmp_path / "again", format=manifest.format)
    assert identity(again) == identity(manifest)


def test_rubbish_is_no_skops_file(tmp_path: Path) -> None:
    with pytest.raises(CorruptError, match="no skops file"):
        load(tmp_path, written(tmp_path, b"rubbish", "model.skops"), digest="")


def shout(table: Any) -> Any:
    return table


def test_skops_refuses_functions_of_ones_own_when_writing_and_when_reading(tmp_path: Path) -> None:
    from skops import io as skops_io

    own = make_pipeline(FunctionTransformer(shout), LogisticRegression()).fit(X, X[:, 0] > 0)
    with pytest.raises(UntrustedError, match="shout"):
        dump(Envelope(own, ("a", "b")), tmp_path / "model.skops")
    with pytest.raises(UntrustedError, match="shout") as told:
        load(tmp_path, written(tmp_path, skops_io.dumps(own), "model.skops"), digest="")
    assert told.value.data["types"] == [f"{__name__}.shout"]


def test_a_bare_estimator_in_a_skops_file_is_asked_in_the_signatures_order(tmp_path: Path) -> None:
    from skops import io as skops_io

    path = tmp_path / "mine.skops"
    skops_io.dump(LOGISTIC, path)
    manifest, _ = pack_file(path, SIGNATURE, SAMPLE, model="m")
    assert manifest.format == "skops"
    answers = load(tmp_path, manifest, digest="").predict(prepare(SIGNATURE, {"a": [2.0], "b": [0.0]}))
    assert answers["probabilities"].tolist() == LOGISTIC.predict_proba([[2.0, 0.0]]).tolist()


def test_a_state_of_another_minor_version_of_scikit_learn_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.skops"
    dump(Envelope(LOGISTIC, ("a", "b")), path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    schema = members["schema.json"].decode()
    import sklearn

    assert sklearn.__version__ in schema
    members["schema.json"] = schema.replace(sklearn.__version__, "0.24.2").encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(InvalidError, match=r"written with scikit-learn 0\.24\.2") as told:
        SkopsModel(path, SIGNATURE)
    assert told.value.data["here"] == sklearn.__version__


@pytest.mark.parametrize("kind", ["onnx", "skops"])
def test_a_promised_output_that_the_file_does_not_give_is_named(kind: Any, tmp_path: Path) -> None:
    manifest, files = pack(LOGISTIC, SAMPLE, model="m", folder=tmp_path, format=kind)
    promised = Signature(SIGNATURE.inputs, (Output("margin"),))
    with pytest.raises(InvalidError, match="gives no 'margin'"):
        pack_file(files[manifest.entry], promised, SAMPLE, model="m")


@pytest.mark.parametrize("kind", ["onnx", "skops"])
def test_a_column_that_the_signature_does_not_have_is_named(kind: Any, tmp_path: Path) -> None:
    manifest, files = pack(LOGISTIC, SAMPLE, model="m", folder=tmp_path, format=kind)
    other = Signature((Feature("a"), Feature("c")), SIGNATURE.outputs)
    with pytest.raises(InvalidError, match="'b', which the signature does not have"):
        pack_file(files[manifest.entry], other, ({"a": [1.0], "c": [1.0]}), model="m")


def edited(folder: Path, value: str | None) -> Path:
    manifest, files = pack(LOGISTIC, SAMPLE, model="m", folder=folder, format="onnx")
    graph = onnx.load(files[manifest.entry])
    del graph.metadata_props[:]
    if value is not None:
        entry = graph.metadata_props.add()
        entry.key, entry.value = "plumbline.columns", value
    onnx.save(graph, files[manifest.entry])
    return files[manifest.entry]


@pytest.mark.parametrize(
    ("value", "match"), [(None, "does not say which column"), ("a,b", "no JSON list"), ('["a"]', "takes 2 columns")]
)
def test_a_matrix_without_the_names_of_its_columns_is_refused(value: Any, match: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidError, match=match):
        OnnxModel(edited(tmp_path, value), SIGNATURE)


def test_the_graph_carries_the_order_of_its_columns(tmp_path: Path) -> None:
    manifest, files = pack(LOGISTIC, SAMPLE, model="m", folder=tmp_path, format="onnx")
    told = {entry.key: entry.value for entry in onnx.load(files[manifest.entry]).metadata_props}
    assert json.loads(told["plumbline.columns"]) == ["a", "b"]


def test_what_the_runtime_refuses_is_an_error_of_ours(packed: Any) -> None:
    manifest, folder = packed
    model = load(folder, manifest, digest="d")
    with pytest.raises(DeploymentError, match="refused the batch"):
        model.predict({"a": np.array([np.nan]), "b": np.array(["x"], dtype=object)})


def test_a_graph_of_types_that_no_request_can_carry_is_refused(tmp_path: Path) -> None:
    value = onnx.helper.make_tensor_value_info
    node = onnx.helper.make_node("Identity", ["a"], ["y"])
    kind = onnx.TensorProto.UINT32
    graph = onnx.helper.make_graph([node], "g", [value("a", kind, [None])], [value("y", kind, [None])])
    made = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    path = tmp_path / "model.onnx"
    onnx.save(made, path)
    with pytest.raises(InvalidError, match="no request can carry"):
        OnnxModel(path, Signature((Feature("a"),), (Output("y"),)))


def test_an_estimator_that_onnx_cannot_hold_is_kept_by_skops_with_the_reason(tmp_path: Path) -> None:
    told: list[Any] = []
    boosted = HistGradientBoostingClassifier(max_iter=3).fit(X, X[:, 0] > 0)
    manifest, _ = pack(boosted, SAMPLE, model="m", folder=tmp_path, tell=told.append)
    assert manifest.format == "skops"
    assert "TreeEnsembleClassifier" in told[0].sentence()
    assert [attempt.precision for attempt in told[0].attempts] == ["float32", "float64"]
    with pytest.raises(DeploymentError, match="does not convert"):
        pack(boosted, SAMPLE, model="m", folder=tmp_path, format="onnx")


def test_trees_that_split_on_missing_values_are_kept_by_skops(tmp_path: Path) -> None:
    holes = X.copy()
    holes[::5, 0] = np.nan
    forest = RandomForestRegressor(3, random_state=0, n_jobs=2).fit(holes, np.isnan(holes[:, 0]) * 1.0)
    told: list[Any] = []
    manifest, _ = pack(forest, (holes, ["a", "b"]), model="m", folder=tmp_path, tell=told.append)
    assert "split on missing values" in told[0].sentence()
    model = load(tmp_path, manifest, digest="", threads=1)
    answers = model.predict(prepare(model.signature, [{"a": None, "b": 0.0}]))
    assert answers["prediction"].tolist() == forest.predict([[np.nan, 0.0]]).tolist()


def test_large_integers_are_given_in_float64(tmp_path: Path) -> None:
    stamps = 1_700_000_000 + np.arange(100)
    from sklearn.linear_model import LinearRegression

    line = LinearRegression().fit(stamps[:, None], stamps - 1_700_000_000.0)
    told: list[Any] = []
    pack(line, (stamps[:, None], ["at"]), model="m", folder=tmp_path, tell=told.append)
    assert told[0].attempts[0].reason is not None
    assert "largest difference" in told[0].attempts[0].reason
    assert told[0].kept.precision == "float64"
    assert "float64 inputs" in told[0].sentence()
    assert told[0].attempts[0].parity.row["at"] >= 1_700_000_000


def test_missing_strings_reach_scikit_learn_as_missing(tmp_path: Path) -> None:
    import pandas as pd
    from sklearn.preprocessing import OneHotEncoder

    frame = pd.DataFrame({"plan": pd.Series(["free", "paid", np.nan] * 10, dtype=object)})
    fitted = make_pipeline(OneHotEncoder(), LogisticRegression()).fit(frame, frame["plan"].isna())
    manifest, _ = pack(fitted, frame, model="m", folder=tmp_path)
    model = load(tmp_path, manifest, digest="")
    answers = model.predict(prepare(model.signature, [{"plan": None}, {"plan": "free"}]))
    assert answers["label"].tolist() == [True, False]
