"""Manifests and signatures as JSON, the same bytes for the same value: their digest is an identity."""

from __future__ import annotations

import json
from typing import Any, TypeVar

import msgspec

from plumbline.deployment.core.digests import digest_of
from plumbline.deployment.core.errors import InvalidError

Value = TypeVar("Value")


def encode(value: Any) -> bytes:
    """Return canonical JSON: keys sorted, no spaces, NaN refused.

    Raises:
        InvalidError: The value holds NaN or an infinity, which JSON cannot carry.
    """
    plain = msgspec.to_builtins(value)
    try:
        return json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode()
    except ValueError as error:
        raise InvalidError(f"{type(value).__name__} cannot be stored: {error}; leave such values out") from error


def decode(data: bytes | str, kind: type[Value], where: str) -> Value:
    """Return a value read from JSON, checked against its declaration.

    Args:
        data: JSON text.
        kind: The dataclass it must be.
        where: What the text is, for the error: a path or a field.

    Raises:
        InvalidError: It is no JSON, or not of that form; the sentence names the place.
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidError(f"{where}: {error}", where=where) from error


def identity(value: Any) -> str:
    """Return the digest of the canonical JSON."""
    return digest_of(encode(value))
