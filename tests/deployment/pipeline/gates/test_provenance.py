"""Bytes are those that were registered, and signed by somebody we know; else nothing serves them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plumbline.deployment.core.errors import CorruptError, NotFoundError, UnavailableError, UntrustedError
from plumbline.deployment.core.verdicts import Outcome
from plumbline.deployment.pipeline.gates.provenance import Provenance, signed_by
from plumbline.deployment.registry.folders import sign_file
from plumbline.deployment.registry.signing import sign


@pytest.fixture
def judged(a_situation, tmp_path):
    (tmp_path / "team.pub").write_text("a key")

    def judge(verify=signed_by, **settings):
        return list(Provenance(verify, tmp_path)(a_situation(settings=settings)))

    return judge


def test_a_signature_by_a_named_key_passes(judged, tmp_path):
    asked = []

    def verify(side, keys):
        asked.append((side.version, keys))
        return "the team's key"

    unaltered, signed = judged(verify, keys=["team.pub"])
    assert unaltered.passed
    assert signed.passed
    assert signed.sentence == "signed by the team's key"
    assert asked == [("1.0.1", (tmp_path / "team.pub",))]


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (UntrustedError("signed by nobody we know"), Outcome.FAIL),
        (NotFoundError("there is no signature"), Outcome.FAIL),
        (CorruptError("file 'model.onnx' has changed"), Outcome.FAIL),
        (UnavailableError("the registry does not answer"), Outcome.INCONCLUSIVE),
    ],
)
def test_what_the_check_raises_is_the_verdict(judged, error, outcome):
    def verify(side, keys):
        raise error

    _, signed = judged(verify, keys=["team.pub"])
    assert (signed.outcome, signed.sentence) == (outcome, error.sentence)


def test_without_a_key_nobody_knows_who_made_it(judged):
    for verdicts in (judged(lambda side, keys: "x"), judged(lambda side, keys: "x", keys=["gone.pub"])):
        assert verdicts[1].outcome is Outcome.INCONCLUSIVE


def test_a_pipeline_without_signatures_still_checks_the_bytes(judged):
    (unaltered,) = judged(signed=False)
    assert unaltered.passed
    assert unaltered.measured["files"] == 1


def test_an_altered_byte_names_the_file(a_situation):
    situation = a_situation(settings={"signed": False})
    path = situation.candidate.folder / "model.onnx"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    (verdict,) = Provenance()(situation)
    assert verdict.outcome is Outcome.FAIL
    assert "file 'model.onnx' has changed" in verdict.sentence
    path.unlink()
    (verdict,) = Provenance()(situation)
    assert verdict.measured["reason"] == "not_found"


def test_a_version_without_files_shows_nothing(a_situation):
    situation = a_situation(settings={"signed": False})
    side = situation.candidate
    empty = replace(side, manifest=replace(side.manifest, files=()))
    (verdict,) = Provenance()(replace(situation, candidate=empty))
    assert verdict.outcome is Outcome.INCONCLUSIVE


@pytest.fixture
def keys(tmp_path):
    """Two people with a key each."""
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    for name in ("ada", "eve"):
        key = generate_private_key(SECP256R1())
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (tmp_path / f"{name}.pem").write_bytes(private)
        (tmp_path / f"{name}.pub").write_bytes(public)
    return tmp_path


def test_a_real_signature_is_checked_with_the_keys_that_the_pipeline_names(a_situation, keys):
    situation = a_situation()
    folder = situation.candidate.folder
    signature = sign(folder, keys / "ada.pem")
    path = sign_file(folder, signature.key)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(signature.bundle)

    def judged_with(*names):
        return list(Provenance(folder=keys)(replace(situation, settings={"keys": list(names)})))[1]

    assert judged_with("eve.pub", "ada.pub").sentence.startswith("signed by the holder of ada.pub")
    assert judged_with("eve.pub").outcome is Outcome.FAIL
    (folder / "added.bin").write_bytes(b"x")
    assert "added.bin" in judged_with("ada.pub").sentence
