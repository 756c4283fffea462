"""Gate `provenance`: are these the bytes that were registered, and did somebody we trust sign them?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from pydantic import ConfigDict

from plumbline.deployment.core.digests import digest_of, short
from plumbline.deployment.core.errors import (
    CorruptError,
    DeploymentError,
    NotFoundError,
    UnavailableError,
    UntrustedError,
)
from plumbline.deployment.core.gates import Side, Situation
from plumbline.deployment.core.verdicts import Outcome, Verdict
from plumbline.deployment.pipeline.closed import CLOSED, Name, settings

_CHUNK = 1 << 20

Verify = Callable[[Side, tuple[Path, ...]], str]
"""Checks the signature of a version with public keys and returns who signed it; raises `UntrustedError` if nobody of
those did, `CorruptError` when a byte differs, `NotFoundError` when there is no signature."""


def signed_by(side: Side, keys: tuple[Path, ...]) -> str:
    """Check the signature of a version as the registry lays it out; the first key that fits is enough.

    Raises:
        UntrustedError: None fits, or a file was altered, added or taken away since; it is named.
        InvalidError: A key cannot be used.
    """
    from plumbline.deployment.registry.signing import verify

    refused: UntrustedError | None = None
    for key in keys:
        try:
            return f"the holder of {key.name} ({verify(side.folder, key)[:19]})"
        except UntrustedError as error:
            refused = error
    raise refused or UntrustedError("there is no key to check the signature with")


@dataclass(frozen=True, slots=True)
class ProvenanceSettings:
    """Settings of the gate `provenance`.

    Args:
        keys: Files with public keys of those who may sign; relative to the pipeline's file.
        signed: Whether a signature is needed; without one only the bytes are checked.
    """

    __pydantic_config__: ClassVar[ConfigDict] = CLOSED
    keys: tuple[Name, ...] = ()
    signed: bool = True


@dataclass(frozen=True, slots=True)
class Provenance:
    """The gate.

    Args:
        verify: Checks a signature.
        folder: Where relative paths of keys begin.
    """

    verify: Verify = signed_by
    folder: Path = Path()

    def __call__(self, situation: Situation) -> Iterator[Verdict]:
        """Check every byte of the candidate; then its signature."""
        chosen = settings(ProvenanceSettings, situation.settings, "gate provenance")
        yield bytes_of("provenance/bytes", situation.candidate)
        if chosen.signed:
            yield self._signature(situation.candidate, chosen)

    def _signature(self, side: Side, chosen: ProvenanceSettings) -> Verdict:
        def verdict(outcome: Outcome, sentence: str, **measured: Any) -> Verdict:
            return Verdict("provenance/signature", outcome, sentence, {"keys": list(chosen.keys), **measured})

        if not chosen.keys:
            sentence = "cannot tell who made this version: no key is named whose signature would count"
            return verdict(Outcome.INCONCLUSIVE, sentence)
        keys = tuple(self.folder / name for name in chosen.keys)
        for path in keys:
            if not path.is_file():
                return verdict(Outcome.INCONCLUSIVE, f"cannot tell: there is no key {path}")
        try:
            signer = self.verify(side, keys)
        except UnavailableError as error:
            return verdict(Outcome.INCONCLUSIVE, error.sentence, reason=error.reason)
        except DeploymentError as error:
            return verdict(Outcome.FAIL, error.sentence, reason=error.reason)
        return verdict(Outcome.PASS, f"signed by {signer}", signer=signer)


def bytes_of(gate: str, side: Side) -> Verdict:
    """Return whether every file of a version has the digest that its manifest names."""
    total = 0
    for file in side.manifest.files:
        try:
            check(side.folder / file.path, file.digest)
        except DeploymentError as error:
            return Verdict(gate, Outcome.FAIL, error.sentence, {"file": file.path, "reason": error.reason})
        total += file.size
    count = len(side.manifest.files)
    sentence = f"{count} file{'s' if count != 1 else ''}, {total:,} bytes, all as registered"
    return Verdict(gate, Outcome.PASS if count else Outcome.INCONCLUSIVE, sentence, {"files": count, "bytes": total})


def check(path: Path, digest: str) -> None:
    """Compare a file with its digest.

    Raises:
        NotFoundError: It is not there.
        CorruptError: Its bytes are others.
    """
    try:
        with path.open("rb") as stream:
            found = digest_of(iter(lambda: stream.read(_CHUNK), b""))
    except OSError as error:
        raise NotFoundError(f"file '{path.name}' cannot be read: {error.strerror}", file=str(path)) from error
    if found != digest:
        raise CorruptError(
            f"file '{path.name}' has changed: its digest is {short(found)}, registered was {short(digest)}",
            file=str(path),
            found=found,
            registered=digest,
        )
