"""Who holds the key vouches for every byte of a version; what was altered is named."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from plumbline.deployment.core.errors import InvalidError, NotFoundError, UntrustedError
from plumbline.deployment.registry import signing


def keys(folder: Path, curve: ec.EllipticCurve | None = None) -> tuple[Path, Path]:
    key = ec.generate_private_key(curve or ec.SECP256R1())
    folder.mkdir(exist_ok=True)
    private, public = folder / "key.pem", folder / "key.pub"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private, public


@pytest.fixture
def pair(tmp_path):
    return keys(tmp_path / "keys")


@pytest.fixture
def signed(ship, registry, tmp_path, pair):
    ship(b"weights 1")
    registry.sign("churn", "1.0.0", pair[0], by="ci")
    return registry.materialise("churn", "1.0.0", tmp_path / "out")


def test_a_signed_version_verifies_wherever_it_is_laid_out(signed, registry, pair, tmp_path):
    key = signing.verify(signed, pair[1])
    elsewhere = registry.materialise("churn", "1.0.0", tmp_path / "elsewhere" / "churn")
    assert signing.verify(elsewhere, pair[1]) == key
    assert key.startswith("sha256:")


def test_signing_twice_with_one_key_is_one_signature_and_two_keys_are_two(signed, registry, pair, tmp_path):
    registry.sign("churn", "1.0.0", pair[0], by="ci")
    other = keys(tmp_path / "others")
    registry.sign("churn", "1.0.0", other[0], by="ada")
    folder = registry.materialise("churn", "1.0.0", tmp_path / "both")
    assert len(list((folder / "signatures").iterdir())) == 2
    assert signing.verify(folder, pair[1]) != signing.verify(folder, other[1])


def test_an_altered_byte_names_the_file(signed, pair):
    (signed / "model.onnx").write_bytes(b"weights !")
    with pytest.raises(UntrustedError, match=r"out: not what was signed: 'model\.onnx' was altered$"):
        signing.verify(signed, pair[1])


def test_an_altered_contract_is_altered_bytes_too(signed, pair):
    manifest = signed / "plumbline.json"
    manifest.write_bytes(manifest.read_bytes().replace(b"120", b"999"))
    with pytest.raises(UntrustedError, match=r"'plumbline\.json' was altered$"):
        signing.verify(signed, pair[1])


def test_a_file_that_was_added_or_taken_away_is_named(signed, pair):
    (signed / "extra.py").write_text("import os")
    with pytest.raises(UntrustedError, match=r"Extra files.*extra\.py"):
        signing.verify(signed, pair[1])
    (signed / "extra.py").unlink()
    (signed / "labels.txt").unlink()
    with pytest.raises(UntrustedError, match=r"Missing files.*labels\.txt"):
        signing.verify(signed, pair[1])


def test_another_key_did_not_sign_it(signed, tmp_path):
    with pytest.raises(UntrustedError, match="carries no signature of key sha256:"):
        signing.verify(signed, keys(tmp_path / "others")[1])


def test_a_signature_under_another_keys_name_is_none(signed, pair, tmp_path):
    other = keys(tmp_path / "others")
    (mine,) = (signed / "signatures").iterdir()
    theirs = signing.sign(signed, other[0])
    mine.write_text(theirs.bundle)
    with pytest.raises(UntrustedError, match="Key mismatch"):
        signing.verify(signed, pair[1])
    mine.write_text("{}")
    with pytest.raises(UntrustedError):
        signing.verify(signed, pair[1])


def test_a_signature_with_another_payload_is_none(signed, pair):
    import base64
    import json

    (path,) = (signed / "signatures").iterdir()
    bundle = json.loads(path.read_text())
    payload = base64.b64decode(bundle["dsseEnvelope"]["payload"])
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(payload + b" ").decode()
    path.write_text(json.dumps(bundle))
    with pytest.raises(UntrustedError, match="this is not a signature of key"):
        signing.verify(signed, pair[1])


def test_keys_that_cannot_be_used_are_told(signed, tmp_path, pair):
    private, public = keys(tmp_path / "large", ec.SECP384R1())
    with pytest.raises(InvalidError, match="expected a key on the curve P-256"):
        signing.sign(signed, private)
    with pytest.raises(InvalidError, match="expected a key on the curve P-256"):
        signing.verify(signed, public)
    with pytest.raises(InvalidError, match="no private key without a password"):
        signing.sign(signed, pair[1])
    with pytest.raises(InvalidError, match="no public key can be read"):
        signing.verify(signed, pair[0])
    with pytest.raises(InvalidError, match="No such file"):
        signing.verify(signed, tmp_path / "nothing")
    with pytest.raises(NotFoundError, match="there is no such folder"):
        signing.sign(tmp_path / "nothing", pair[0])


def test_a_registry_is_used_without_the_signing_library():
    code = (
        "import sys, plumbline.deployment.registry; sys.exit({'model_signing', 'alembic'} & set(sys.modules) != set())"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
