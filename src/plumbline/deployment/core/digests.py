"""A digest names bytes: `sha256:` and 64 hexadecimal digits, as OCI writes it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from plumbline.deployment.core.errors import InvalidError

_FORM = re.compile(r"sha256:[0-9a-f]{64}")


def digest_of(chunks: Iterable[bytes] | bytes) -> str:
    """Return the digest of bytes, given whole or in pieces."""
    state = hashlib.sha256()
    for chunk in (chunks,) if isinstance(chunks, bytes) else chunks:
        state.update(chunk)
    return f"sha256:{state.hexdigest()}"


def checked(text: str) -> str:
    """Return a digest that has the right form.

    Raises:
        InvalidError: It has not.
    """
    if not _FORM.fullmatch(text):
        raise InvalidError(f"'{text[:80]}' is no digest: expected 'sha256:' and 64 hexadecimal digits", given=text[:80])
    return text


def short(digest: str) -> str:
    """Return the first 12 hexadecimal digits, for people."""
    return digest.removeprefix("sha256:")[:12]
