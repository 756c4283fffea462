"""Versions, digests, verdicts and stored forms: what is wrong is refused, what is equal is the same bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.deployment.core.contract import Bump
from plumbline.deployment.core.digests import checked, digest_of, short
from plumbline.deployment.core.encoding import decode, encode, identity
from plumbline.deployment.core.errors import ConflictError, InvalidError
from plumbline.deployment.core.manifest import File, Golden, Manifest
from plumbline.deployment.core.semver import claimed, following, parse
from plumbline.deployment.core.signature import Feature, Output, Signature
from plumbline.deployment.core.verdicts import Outcome, Verdict, together

MANIFEST = Manifest(
    "churn",
    "onnx",
    "model.onnx",
    (File("model.onnx", digest_of(b"weights"), 7),),
    Signature((Feature("age", "int"),), (Output("score"),)),
    Golden({"age": (1, 2)}, {"score": (0.1, 0.2)}),
    metrics={"roc_auc": 0.9},
)


@pytest.mark.parametrize(("bump", "then"), [(Bump.PATCH, "1.2.4"), (Bump.MINOR, "1.3.0"), (Bump.MAJOR, "2.0.0")])
def test_the_next_version_rises_by_what_changed(bump: Bump, then: str) -> None:
    assert following("1.2.3", bump) == then


def test_an_author_may_claim_more_but_not_less() -> None:
    assert claimed("3.0.0", "1.2.3", Bump.MINOR) == "3.0.0"
    with pytest.raises(
        InvalidError, match=r"1\.2\.4 is too low: after 1\.2\.3 this change is major, so at least 2\.0\.0"
    ):
        claimed("1.2.4", "1.2.3", Bump.MAJOR)


@pytest.mark.parametrize("text", ["1.2", "v1.0.0", "", "1.0.0.0", "latest"])
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(InvalidError, match=r"expected MAJOR\.MINOR\.PATCH"):
        parse(text)


@given(st.binary(max_size=200), st.integers(1, 50))
def test_a_digest_does_not_depend_on_how_the_bytes_come(data: bytes, size: int) -> None:
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    assert digest_of(iter(pieces)) == digest_of(data) == checked(digest_of(data))


def test_a_digest_of_another_form_is_refused() -> None:
    with pytest.raises(InvalidError, match="is no digest"):
        checked("sha256:12")
    assert short(digest_of(b"")) == "e3b0c44298fc"


def test_a_manifest_survives_being_stored_and_keeps_its_identity() -> None:
    again = decode(encode(MANIFEST), Manifest, "manifest.json")
    assert again == MANIFEST
    assert identity(again) == identity(MANIFEST)


def test_nan_cannot_hide_in_a_stored_metric() -> None:
    with pytest.raises(InvalidError, match="cannot be stored"):
        encode({"roc_auc": float("nan")})


def test_a_stored_form_that_is_wrong_names_the_place() -> None:
    with pytest.raises(InvalidError, match=r"manifest\.json: .*\$\.format"):
        decode(encode(MANIFEST).replace(b'"onnx"', b'"pickle"'), Manifest, "manifest.json")


@pytest.mark.parametrize(
    ("outcomes", "whole"),
    [
        ([], Outcome.INCONCLUSIVE),
        ([Outcome.PASS], Outcome.PASS),
        ([Outcome.PASS, Outcome.INCONCLUSIVE], Outcome.INCONCLUSIVE),
        ([Outcome.FAIL, Outcome.INCONCLUSIVE, Outcome.PASS], Outcome.FAIL),
    ],
)
def test_no_evidence_is_never_a_pass(outcomes: list[Outcome], whole: Outcome) -> None:
    verdicts = [Verdict("gate", outcome, "…") for outcome in outcomes]
    assert together(verdicts) is whole
    assert all(verdict.passed is (verdict.outcome is Outcome.PASS) for verdict in verdicts)


def test_an_error_says_the_same_to_people_and_to_machines() -> None:
    error = ConflictError("alias 'production' is 1.2.0, not 1.1.0", alias="production")
    assert error.as_dict() == {"reason": "conflict", "error": str(error), "alias": "production"}
    assert error.status == 409
