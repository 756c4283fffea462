# ruff: noqa: E501 (a table, one pair per line)
"""The version rises by what callers would notice: real scikit-learn models, packed, loaded and asked in pairs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_models import (
    Made,
    classes,
    classifier,
    columns,
    data,
    encoded,
    holes,
    imputed,
    labelled,
    labels,
    named,
    named_output,
    no_probabilities,
    optional,
    plans,
    promised,
    ranged,
    regressor,
    two_targets,
    typed,
)
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.tree import DecisionTreeRegressor

from plumbline.deployment.core.contract import Bump
from plumbline.deployment.core.encoding import encode, identity
from plumbline.deployment.core.gates import Side
from plumbline.deployment.core.signature import Feature
from plumbline.deployment.models import judge, load, pack

BASE, PLANS, AMOUNT = classifier, lambda: plans("free", "paid", "team"), regressor


PAIRS: list[tuple[str, Callable[[], Made], Callable[[], Made], Bump, str | None]] = [
    ("retrained only", BASE, lambda: classifier(1), Bump.PATCH, None),
    ("another algorithm, same contract", BASE, lambda: classifier(last=RandomForestClassifier(5, random_state=0)), Bump.PATCH, None),
    ("the same model again", BASE, BASE, Bump.PATCH, None),
    ("retrained regression", AMOUNT, lambda: regressor(1, last=Ridge()), Bump.PATCH, None),
    ("a pipeline retrained", PLANS, lambda: plans("team", "free", "paid"), Bump.PATCH, None),
    ("skops in place of ONNX", lambda: holes(imputed()), lambda: holes(HistGradientBoostingClassifier(max_iter=5)), Bump.PATCH, None),
    ("columns in another order", BASE, lambda: columns("spend", "age"), Bump.PATCH, None),
    ("column renamed", BASE, lambda: named(spend="spent"), Bump.MAJOR, "input-removed"),
    ("column dropped", BASE, lambda: columns("age"), Bump.MAJOR, "input-removed"),
    ("column added, required", BASE, lambda: columns("age", "spend", "visits"), Bump.MAJOR, "input-added-required"),
    ("column added, optional", BASE, lambda: optional("visits", 0.0), Bump.MINOR, "input-added-optional"),
    ("optional column becomes required", lambda: optional("visits", 0.0), lambda: columns("age", "spend", "visits"), Bump.MAJOR, "input-became-required"),
    ("another default", lambda: optional("visits", 0.0), lambda: optional("visits", 3.0), Bump.MAJOR, "default-changed"),
    ("range narrowed", lambda: ranged(0, 120), lambda: ranged(18, 99), Bump.MAJOR, "range-narrowed"),
    ("range widened", lambda: ranged(18, 99), lambda: ranged(0, 120), Bump.MINOR, "range-widened"),
    ("integer becomes fraction", BASE, lambda: typed(age="float64"), Bump.MINOR, "input-widened"),
    ("fraction becomes integer", BASE, lambda: typed(spend="int64"), Bump.MAJOR, "type-changed"),
    ("number becomes text", BASE, lambda: Made(encoded(LogisticRegression()).fit(data().assign(spend=1.0), labels(data())), data()), Bump.MAJOR, "input-added-required"),
    ("class added", lambda: classes("a", "b"), lambda: classes("a", "b", "c"), Bump.MAJOR, "shape-changed"),
    ("class added, labels only", lambda: labelled("a", "b"), lambda: labelled("a", "b", "c"), Bump.MINOR, "class-added"),
    ("class dropped, labels only", lambda: labelled("a", "b", "c"), lambda: labelled("a", "b"), Bump.MAJOR, "class-removed"),
    ("classes in another order", lambda: classes("b", "c"), lambda: classes("a", "b"), Bump.MAJOR, "class-removed"),
    ("labels are numbers now", BASE, lambda: classifier(target=lambda frame: (labels(frame) == "stays").astype(int)), Bump.MAJOR, "type-changed"),
    ("category added", lambda: plans("free", "paid"), PLANS, Bump.MINOR, "choice-added"),
    ("category dropped", PLANS, lambda: plans("free", "paid"), Bump.MAJOR, "choice-removed"),
    ("any category taken", PLANS, lambda: plans("free", "paid", "team", unknown="ignore"), Bump.MINOR, "choices-unlimited"),
    ("missing values refused now", lambda: holes(imputed()), BASE, Bump.MAJOR, "missing-values-refused"),
    ("missing values taken now", BASE, lambda: holes(imputed()), Bump.MINOR, "missing-values-taken"),
    ("output renamed", BASE, lambda: named_output("score"), Bump.MAJOR, "output-removed"),
    ("output added", no_probabilities, BASE, Bump.MINOR, "output-added"),
    ("output dropped", BASE, no_probabilities, Bump.MAJOR, "output-removed"),
    ("output scaled, and nobody said so", AMOUNT, lambda: regressor(scale=100), Bump.MAJOR, "output-scaled"),
    ("output turned, and nobody said so", AMOUNT, lambda: regressor(scale=-1), Bump.MAJOR, "output-turned"),
    ("output promises less", lambda: promised(0, 1e6), AMOUNT, Bump.MAJOR, "range-widened"),
    ("a second target", AMOUNT, two_targets, Bump.MAJOR, "shape-changed"),
    ("a tree answers in steps", AMOUNT, lambda: regressor(last=DecisionTreeRegressor(random_state=0)), Bump.PATCH, None),
]  # fmt: skip


def side(made: Made, folder: Path, version: str | None = None) -> Side:
    manifest, _ = pack(made.estimator, made.sample, model="churn", folder=folder, hints=made.hints)
    return Side(version, manifest, folder, load(folder, manifest, digest=identity(manifest), threads=1))


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Callable[[], Made]], Side]]:
    @cache
    def once(make: Callable[[], Made]) -> Side:
        return side(make(), tmp_path_factory.mktemp("model"))

    return once


@pytest.mark.parametrize(("what", "old", "new", "bump", "code"), PAIRS, ids=[pair[0] for pair in PAIRS])
def test_the_bump_is_what_a_caller_notices(
    what: str, old: Any, new: Any, bump: Bump, code: str | None, packed: Any
) -> None:
    judgement = judge(packed(old), packed(new))
    assert (judgement.bump, code in {change.code for change in judgement.changes}) == (bump, code is not None), [
        (change.bump.name, change.where, change.sentence) for change in judgement.changes
    ]


def test_the_table_has_every_bump_and_at_least_24_pairs() -> None:
    assert len(PAIRS) >= 24
    assert {pair[3] for pair in PAIRS} == set(Bump)


class Stubborn:
    """A loaded model that was changed in what it answers, with the signature it had."""

    def __init__(self, model: Any, change: Callable[[Any, dict[str, Any]], dict[str, Any]]) -> None:
        self._model, self._change = model, change
        self.digest, self.signature = model.digest, model.signature

    def predict(self, inputs: Any) -> dict[str, Any]:
        return self._change(inputs, self._model.predict(inputs))

    def close(self) -> None:
        """Holds nothing."""


def refuses_missing(inputs: Any, answers: Any) -> Any:
    from plumbline.deployment.core.errors import DeploymentError

    if np.isnan(inputs["spend"]).any():
        raise DeploymentError("Input X contains NaN")
    return answers


def nan_for_missing(inputs: Any, answers: Any) -> Any:
    lost = np.isnan(inputs["spend"])[:, None]
    return answers | {"probabilities": np.where(lost, np.nan, answers["probabilities"])}


def percent(inputs: Any, answers: Any) -> Any:
    return answers | {"probabilities": answers["probabilities"] * 100}


def below_zero(inputs: Any, answers: Any) -> Any:
    return answers | {"probabilities": answers["probabilities"] - 1}


def turned(inputs: Any, answers: Any) -> Any:
    return answers | {"probabilities": answers["probabilities"][:, ::-1]}


def unknown_label(inputs: Any, answers: Any) -> Any:
    return answers | {"label": np.full(len(inputs["age"]), "perhaps", dtype=object)}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (refuses_missing, "answered-row-refused"),
        (nan_for_missing, "answer-not-finite"),
        (percent, "promise-not-kept"),
        (below_zero, "promise-not-kept"),
        (turned, "output-turned"),
        (unknown_label, "promise-not-kept"),
    ],
)
def test_what_the_signature_hides_and_the_answers_show_is_major(change: Any, code: str, packed: Any) -> None:
    old = packed(trained_on_holes)
    judgement = judge(old, replace(old, model=Stubborn(old.model, change)))
    assert judgement.bump is Bump.MAJOR
    assert [one.code for one in judgement.changes] == [code]
    assert judgement.evidence["declared"] == []
    assert judgement.evidence["observed"][0]["code"] == code


def trained_on_holes() -> Made:
    return holes(imputed())


def test_rows_that_only_the_new_model_answers_are_an_addition(packed: Any) -> None:
    good = packed(trained_on_holes)
    judgement = judge(replace(good, model=Stubborn(good.model, refuses_missing)), good)
    assert judgement.bump is Bump.MINOR
    assert [one.code for one in judgement.changes] == ["refused-row-answered"]
    assert judgement.evidence["answered_now"] > 0


def test_the_evidence_is_json_with_the_rows_and_counts_that_add_up(packed: Any) -> None:
    evidence = judge(packed(trained_on_holes), packed(BASE)).evidence
    assert json.loads(encode(evidence)) == evidence
    assert evidence["refused_now"] >= 1
    counts = ("answered_by_both", "refused_now", "answered_now", "refused_by_both")
    assert sum(evidence[name] for name in counts) == evidence["asked"]
    first = evidence["rows"][0]
    assert first["sent"]["spend"] is None
    assert "missing" in first["new"]["refused"]


def test_a_hidden_refusal_names_the_field(packed: Any) -> None:
    old = packed(BASE)
    stricter = replace(old.manifest.signature, inputs=(Feature("age", "int", maximum=40), Feature("spend")))
    narrow = side(BASE(), old.folder.parent / "narrow")
    narrow.model._signature = stricter  # the model refuses what its manifest still allows
    judgement = judge(old, narrow)
    assert [(one.code, one.where) for one in judgement.changes] == [("answered-row-refused", "input 'age'")]
