"""A signature says what the estimator takes and answers; golden rows and the comparison are made from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from plumbline.deployment.core.errors import InvalidError
from plumbline.deployment.core.manifest import Lineage
from plumbline.deployment.core.signature import Feature, Output, Signature
from plumbline.deployment.models import Hints, golden, infer, pack
from plumbline.deployment.models.probing import probes
from plumbline.deployment.models.tables import table

X = np.random.default_rng(0).normal(size=(40, 2))
NAMES = ["a", "b"]
FITTED = LogisticRegression().fit(X, X[:, 0] > 0)


def test_hints_become_part_of_the_contract() -> None:
    hints = Hints({"b": 0.5}, {"a": (-9, None)}, {}, {"a": True}, {"label": "answer"}, {"probabilities": (0, None)})
    assert infer(FITTED, (X, NAMES), hints) == Signature(
        (Feature("a", nullable=True, minimum=-9), Feature("b", required=False, default=0.5)),
        (
            Output("answer", "bool", (), (False, True)),
            Output("probabilities", "float", (2,), (False, True), minimum=0),
        ),
    )


def test_types_and_missing_values_are_read_from_the_sample() -> None:
    frame = pd.DataFrame({"n": [1, 2, 3], "x": [0.5, None, 2.0], "b": [True, False, True]})
    tree = DecisionTreeClassifier().fit(frame, [0, 1, 1])
    kinds = [(one.name, one.kind, one.nullable) for one in infer(tree, frame).inputs]
    assert kinds == [("n", "int", False), ("x", "float", True), ("b", "bool", False)]


@pytest.mark.parametrize(
    ("values", "kind"), [([1, 2.5, None], "float"), ([1, None], "int"), ([True, None], "bool"), (["x", None], "string")]
)
def test_columns_of_objects_are_read_value_by_value(values: list[Any], kind: str) -> None:
    from plumbline.deployment.models.inferring import kind_of

    assert kind_of(np.array(values, dtype=object), "x") == kind


@pytest.mark.parametrize(
    ("estimator", "sample", "hints", "match"),
    [
        (LogisticRegression(), (X, NAMES), None, "not fitted"),
        (KMeans(2, n_init=1).fit(X), (X, NAMES), None, "neither a classifier nor a regressor"),
        (FITTED, X, None, "no column names"),
        (FITTED, (X, ["a"]), None, "1 names"),
        (FITTED, {"a": [], "b": []}, None, "empty"),
        (FITTED, {"a": [1.0]}, None, "trained on 2 columns"),
        (FITTED, {"a": [1.0], "b": np.array([1, "x"], dtype=object)}, None, "mixed types"),
        (FITTED, (X, NAMES), Hints(optional={"c": 1}), "hints.optional names 'c'"),
        (LinearRegression().fit(pd.DataFrame(X, columns=NAMES), X[:, 0]), {"a": [1.0]}, None, "does not have"),
        (DecisionTreeClassifier().fit(X, X > 0), (X, NAMES), None, "several outputs"),
    ],
)
def test_what_has_no_contract_is_refused(estimator: Any, sample: Any, hints: Any, match: str) -> None:
    with pytest.raises(InvalidError, match=match):
        infer(estimator, sample, hints)


def test_golden_rows_are_typical_boundary_missing_and_left_out() -> None:
    signature = Signature(
        (
            Feature("a", minimum=-9, nullable=True),
            Feature("b", required=False, default=0.5, nullable=True),
            Feature("c", "string", choices=("x", "y")),
        ),
        (Output("y"),),
    )
    sample = {"a": X[:, 0], "b": X[:, 1], "c": np.array(["x"] * 40, dtype=object)}
    whys = [probe.why for probe in probes(signature, sample)]
    assert whys.count("typical") == 8
    assert {"minimum of a", "maximum of a", "a missing", "b left out", "c is y", "all that may be missing is"} <= set(
        whys
    )
    inputs = golden.choose(signature, sample)
    assert inputs == golden.choose(signature, sample)
    assert -9 in inputs["a"]
    assert None in inputs["a"]
    assert 0.5 in inputs["b"]
    assert len(golden.choose(signature, sample, most=5)["a"]) == 5


def test_a_golden_row_without_a_finite_answer_is_refused() -> None:
    class Broken:
        signature = Signature((Feature("a"),), (Output("y"),))

        def predict(self, inputs: Any) -> Any:
            return {"y": np.where(inputs["a"] > 1, np.nan, 0.0)}

    with pytest.raises(InvalidError, match="golden row 1 is not finite") as told:
        golden.record(Broken(), {"a": (1.0, 2.0)})  # type: ignore[arg-type]
    assert (told.value.data["field"], told.value.data["row"]) == ("y", 1)


def test_a_sample_without_a_required_column_is_refused(tmp_path: Path) -> None:
    from plumbline.deployment.models import pack_file

    manifest, files = pack(FITTED, (X, NAMES), model="m", folder=tmp_path)
    with pytest.raises(InvalidError, match="no column 'b'"):
        pack_file(files[manifest.entry], manifest.signature, {"a": [1.0]}, model="m")


def test_what_the_author_says_of_the_lineage_goes_first(tmp_path: Path) -> None:
    said = Lineage(parameters={"C": 7}, environment={"numpy": "mine"}, code="abc")
    manifest, _ = pack(FITTED, (X, NAMES), model="m", folder=tmp_path, lineage=said)
    assert (manifest.lineage.code, manifest.lineage.parameters["C"]) == ("abc", 7)
    assert manifest.lineage.environment["numpy"] == "mine"
    assert "scikit-learn" in manifest.lineage.environment


def test_parameters_that_json_cannot_hold_are_kept_as_text(tmp_path: Path) -> None:
    tree = DecisionTreeClassifier(class_weight={True: 1, False: 2}, random_state=np.random.RandomState(0))
    manifest, _ = pack(tree.fit(X, X[:, 0] > 0), (X, NAMES), model="m", folder=tmp_path)
    assert manifest.lineage.parameters["random_state"].startswith("RandomState")


def test_a_package_names_what_it_has() -> None:
    from plumbline.deployment import models

    assert models.pack is pack
    with pytest.raises(AttributeError, match="nothing"):
        models.nothing  # noqa: B018
    assert sorted(table({"a": [1]})) == ["a"]
