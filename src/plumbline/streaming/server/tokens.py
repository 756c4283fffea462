"""Tokens (JWT): keys from files, and whose token this is. What signs a token is said by the key, never by the token."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from plumbline.streaming.core.claims import TOKEN_LENGTH, TokenError, identity_of
from plumbline.streaming.core.identity import Identity

ALGORITHMS = ("HS256", "RS256", "ES256", "EdDSA")
MAX_KEYS = 32  # what one token may make us try is bounded
SECRET_BYTES = 32  # RFC 7518, 3.2: as long as the hash
RSA_BITS = 2048  # RFC 7518, 3.3
FILE_BYTES = 1 << 20


class KeyFileError(ValueError):
    """A key file cannot be used; the message is one sentence for people."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key that tokens may be signed with.

    Args:
        name: Its `kid`, or None for a file that has none.
        algorithm: The only one it may be used with.
        key: For PyJWT.
        source: The file.
    """

    name: str | None
    algorithm: str
    key: Any
    source: str

    def __repr__(self) -> str:
        """Say which key it is; never the key."""
        return f"Key(name={self.name!r}, algorithm={self.algorithm!r}, source={self.source!r})"


@dataclass(frozen=True, slots=True)
class Keyring:
    """All keys, and what else a token must say.

    Args:
        keys: At least one.
        issuer: What `iss` must be; empty for anything.
        audience: What `aud` must hold; empty: a token that has an `aud` is refused, as RFC 7519 wants.
        leeway_s: Seconds by which clocks may differ.
    """

    keys: tuple[Key, ...]
    issuer: str = ""
    audience: str = ""
    leeway_s: float = 0.0

    def check(self, token: str, now: float) -> Identity:
        """Return whose token this is.

        Args:
            token: As the client sent it.
            now: Seconds since 1970.

        Raises:
            TokenError: It is refused; the sentence holds nothing of it.
        """
        return identity_of(self._claims(token), now, self.leeway_s)

    def _claims(self, token: str) -> Mapping[str, Any]:
        if len(token) > TOKEN_LENGTH:
            raise TokenError("bad-token", f"a token may have {TOKEN_LENGTH} characters")
        algorithm, name = _head(token)
        fitting = [key for key in self.keys if key.algorithm == algorithm and _named(key, name)]
        for key in fitting:
            try:
                return self._decode(token, key)
            except jwt.InvalidSignatureError:
                continue
            except (jwt.PyJWTError, ValueError, RecursionError) as error:
                raise TokenError("bad-token", _WHY.get(type(error), "the token's content is malformed")) from None
        if fitting:
            raise TokenError("bad-token", "the token's signature is wrong")
        raise TokenError("bad-token", "the token is signed with no key of this gateway")

    def _decode(self, token: str, key: Key) -> Mapping[str, Any]:
        """Check signature, issuer and audience; times are `identity_of`'s, which is given the clock."""
        times = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_sub": False}
        options: Any = {**times, "verify_aud": True, "verify_iss": bool(self.issuer)}
        options["require"] = [*(["iss"] if self.issuer else []), *(["aud"] if self.audience else [])]
        return jwt.decode(
            token,
            key.key,
            algorithms=[key.algorithm],
            audience=self.audience or None,
            issuer=self.issuer or None,
            options=options,
        )


_WHY = {
    jwt.InvalidAudienceError: "the token is for another audience",
    jwt.InvalidIssuerError: "the token is from another issuer",
    jwt.MissingRequiredClaimError: "the token lacks the iss or aud claim that this gateway asks for",
}


def load(paths: Sequence[str]) -> tuple[Key, ...]:
    """Return the keys in these files: PEM with a public key, JSON with a JWK or a JWK set, or a secret (HS256).

    Raises:
        KeyFileError: A file cannot be read, or a key in it cannot be used; the sentence names it.
    """
    keys: list[Key] = []
    for path in paths:
        try:
            with Path(path).open("rb") as file:
                content = file.read(FILE_BYTES + 1)
        except OSError as error:
            raise KeyFileError(f"{path}: {error.strerror}") from None
        if len(content) > FILE_BYTES:
            raise KeyFileError(f"{path}: a key file has at most {FILE_BYTES} bytes")
        keys += _read(path, content.strip())
    if not 1 <= len(keys) <= MAX_KEYS:
        raise KeyFileError(f"{', '.join(paths)}: there are {len(keys)} usable keys, but 1 to {MAX_KEYS} may be given")
    return tuple(keys)


def _read(path: str, content: bytes) -> list[Key]:
    if content.startswith(b"-----BEGIN"):
        return [_pem(path, content)]
    if content.startswith(b"{"):
        return _jwks(path, content)
    if len(content) < SECRET_BYTES:
        raise KeyFileError(
            f"{path}: a secret must have {SECRET_BYTES} bytes or more (RFC 7518, 3.2), not {len(content)}"
        )
    return [Key(None, "HS256", content, path)]


def _pem(path: str, content: bytes) -> Key:
    if b"PRIVATE KEY" in content:
        raise KeyFileError(f"{path}: this is a private key; the gateway only needs the public one")
    try:
        public = load_pem_public_key(content)
    except ValueError as error:
        raise KeyFileError(f"{path}: no public key can be read from it: {error}") from None
    return Key(None, _algorithm(path, public), public, path)


def _algorithm(path: str, public: object) -> str:
    if isinstance(public, rsa.RSAPublicKey):
        if public.key_size < RSA_BITS:
            raise KeyFileError(f"{path}: an RSA key must have {RSA_BITS} bits or more, not {public.key_size}")
        return "RS256"
    if isinstance(public, ec.EllipticCurvePublicKey) and public.curve.name == "secp256r1":
        return "ES256"
    if isinstance(public, ed25519.Ed25519PublicKey):
        return "EdDSA"
    raise KeyFileError(f"{path}: keys may be RSA, EC on P-256, or Ed25519")


def _jwks(path: str, content: bytes) -> list[Key]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        raise KeyFileError(f"{path}: it begins as JSON, but is none") from None
    listed = found.get("keys", [found])
    if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
        raise KeyFileError(f'{path}: a JWK set is {{"keys": [{{…}}, …]}}')
    signing = [item for item in listed if item.get("use", "sig") == "sig" and item.get("alg", "HS256") in ALGORITHMS]
    return [_jwk(path, item) for item in signing]


def _jwk(path: str, item: Mapping[str, Any]) -> Key:
    name = item.get("kid")
    if item.get("kty") != "oct" and "d" in item:
        raise KeyFileError(f"{path}: key {name!r} is a private key; the gateway only needs the public one")
    try:
        key = jwt.PyJWK({name: value for name, value in item.items() if name != "alg"}).key
    except (jwt.PyJWTError, ValueError, TypeError, LookupError, AttributeError) as error:  # its text may quote the key
        raise KeyFileError(f"{path}: key {name!r} cannot be used ({type(error).__name__})") from None
    if isinstance(key, bytes) and len(key) < SECRET_BYTES:
        raise KeyFileError(f"{path}: the secret {name!r} must have {SECRET_BYTES} bytes or more (RFC 7518, 3.2)")
    algorithm = "HS256" if isinstance(key, bytes) else _algorithm(path, key)
    if item.get("alg", algorithm) != algorithm:
        raise KeyFileError(f"{path}: key {name!r} says {item['alg']}, but it is one for {algorithm}")
    return Key(name if isinstance(name, str) else None, algorithm, key, path)


def _head(token: str) -> tuple[str, str | None]:
    """Return algorithm and key name as the token says them; they choose among our keys, and decide nothing."""
    try:
        head = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise TokenError("bad-token", "this is no token (JWT)") from None
    name = head.get("kid")
    return str(head.get("alg")), name if isinstance(name, str) else None


def _named(key: Key, name: str | None) -> bool:
    """Say whether a token with this `kid` may be of this key; files without names fit all, tokens without fit all."""
    return key.name is None or name is None or key.name == name
