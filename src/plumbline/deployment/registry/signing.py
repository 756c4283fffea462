"""Signatures of version folders in the format of OpenSSF model signing: who holds the key vouches for every byte."""

from __future__ import annotations

import ast
import hashlib
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from plumbline.deployment.core.errors import InvalidError, NotFoundError, UntrustedError
from plumbline.deployment.registry.folders import sign_file
from plumbline.deployment.registry.names import SIGNATURES

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature of all files of a version's folder, its manifest among them.

    Args:
        key: Digest of the public key.
        bundle: Sigstore bundle of OpenSSF model signing, JSON.
    """

    key: str
    bundle: str


def sign(folder: Path, private: Path) -> Signature:
    """Sign a materialised folder.

    Args:
        folder: As `Registry.materialise` makes it.
        private: Key on the curve P-256, PEM, without a password.

    Raises:
        InvalidError: The key cannot be used.
        NotFoundError: There is no such folder.
    """
    key = _id(_public_of(private))
    from model_signing import hashing, signing

    if not folder.is_dir():
        raise NotFoundError(f"{folder}: there is no such folder", path=str(folder))
    what = hashing.Config().set_ignored_paths(paths=[folder / SIGNATURES], ignore_git_paths=False)
    with tempfile.TemporaryDirectory(prefix="plumb-sign-") as made:
        bundle = Path(made) / "bundle.json"
        signer = signing.Config().use_elliptic_key_signer(private_key=private)
        signer.set_hashing_config(what).sign(folder, bundle)
        return Signature(key, bundle.read_text())


def verify(folder: Path, public: Path) -> str:
    """Check that a folder is, byte for byte, what the holder of a key signed; return the digest of the key.

    Args:
        folder: As `Registry.materialise` makes it, with its signatures.
        public: Key on the curve P-256, PEM.

    Raises:
        UntrustedError: It was not signed by this key, or a file was altered, added or taken away since; it is named.
        InvalidError: The key cannot be used.
    """
    from cryptography.exceptions import InvalidSignature

    key = _id(_public(public))
    bundle = sign_file(folder, key)
    if not bundle.is_file():
        raise UntrustedError(f"{folder} carries no signature of key {key} ({public})", path=str(folder), key=key)
    from model_signing import hashing, verifying

    what = hashing.Config().set_ignored_paths(paths=[folder / SIGNATURES], ignore_git_paths=False)
    checker = verifying.Config().use_elliptic_key_verifier(public_key=public).set_hashing_config(what)
    try:
        checker.verify(folder, bundle)
    except InvalidSignature as error:
        raise UntrustedError(
            f"{bundle}: this is not a signature of key {key}: it was altered", path=str(bundle), key=key
        ) from error
    except Exception as error:  # the library raises what its parts raise: ValueError, KeyError, parse errors
        raise UntrustedError(f"{folder}: {_differences(str(error))}", path=str(folder), key=key) from error
    return key


def _differences(said: str) -> str:
    """Return the library's list of differences as a sentence; what is no such list stays as it is."""
    head, _, listed = said.partition("Signature mismatch: ")
    if head or not listed:
        return said
    found: list[str] = ast.literal_eval(listed)
    altered = [
        re.sub(r"^Hash mismatch for '(.*?)': Expected .*$", r"'\1' was altered", one, flags=re.DOTALL) for one in found
    ]
    return f"not what was signed: {'; '.join(altered)}"


def _public_of(private: Path) -> EllipticCurvePublicKey:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(_read(private), None)
    except (ValueError, TypeError) as error:
        raise InvalidError(f"{private}: no private key without a password can be read from it") from error
    if not isinstance(key, EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
        raise _curve(private)
    return key.public_key()


def _public(public: Path) -> EllipticCurvePublicKey:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(_read(public))
    except ValueError as error:
        raise InvalidError(f"{public}: no public key can be read from it; make it: openssl ec -pubout") from error
    if not isinstance(key, EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        raise _curve(public)
    return key


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidError(f"{path}: {error.strerror}", path=str(path)) from error


def _curve(path: Path) -> InvalidError:
    return InvalidError(
        f"{path}: expected a key on the curve P-256: openssl ecparam -name prime256v1 -genkey -noout", path=str(path)
    )


def _id(key: EllipticCurvePublicKey) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    text = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return f"sha256:{hashlib.sha256(text).hexdigest()}"
