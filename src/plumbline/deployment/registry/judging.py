"""Which version comes next: both models are loaded and asked, and the answer decides, not the author."""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from plumbline.deployment.core.contract import Bump, Change
from plumbline.deployment.core.errors import InvalidError
from plumbline.deployment.core.gates import Side
from plumbline.deployment.core.manifest import Manifest
from plumbline.deployment.core.model import Model
from plumbline.deployment.core.semver import FIRST, claimed, following, parse

JUDGE = "plumbline.deployment.models.behaviour:judge"
LOAD = "plumbline.deployment.models:load"


class Judgement(Protocol):
    """How a model differs from the version before it."""

    @property
    def changes(self) -> tuple[Change, ...]:
        """Every difference that a caller could notice."""
        ...

    @property
    def bump(self) -> Bump:
        """What they ask for together."""
        ...

    @property
    def evidence(self) -> Mapping[str, Any]:
        """What was asked and answered; values that JSON can hold."""
        ...


Judge = Callable[[Side, Side], Judgement]
"""Compares the old version with the new one."""


class Load(Protocol):
    """Loads a model from a folder."""

    def __call__(self, folder: Path, manifest: Manifest, *, digest: str, threads: int | None) -> Model:
        """Return the loaded model."""
        ...


class ClaimError(InvalidError):
    """An author claims a version that promises more than the model keeps."""

    reason = "claim_too_low"


@dataclass(frozen=True, slots=True)
class Decision:
    """The number of a version, and why.

    Args:
        version: Its number.
        bump: How much it rose.
        against: Version before it; None for the first.
        changes: Every difference.
        evidence: What was asked and answered.
    """

    version: str
    bump: Bump
    against: str | None
    changes: tuple[Change, ...]
    evidence: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Looking:
    """How versions are looked at: functions, or where to import them (`module:name`).

    Args:
        judge: Compares two versions.
        load: Loads one.
    """

    judge: Judge | str = JUDGE
    load: Load | str = LOAD

    @contextmanager
    def side(self, version: str | None, manifest: Manifest, digest: str, folder: Path) -> Iterator[Side]:
        """Load a version, and let go of it when the block ends.

        Raises:
            DeploymentError: It cannot be loaded.
        """
        model = cast("Load", _imported(self.load))(folder, manifest, digest=digest, threads=1)
        try:
            yield Side(version, manifest, folder, model)
        finally:
            model.close()

    def compare(self, old: Side, new: Side) -> Judgement:
        """Return how the new version differs."""
        return cast("Judge", _imported(self.judge))(old, new)


def decided(looking: Looking, old: Side | None, new: Side, claim: str | None) -> Decision:
    """Return the number of a new version.

    Args:
        looking: How the two are compared.
        old: The highest version there is; None if the new one is the model's first.
        new: The new version.
        claim: The author's number; None for the lowest that is allowed.

    Raises:
        ClaimError: The claim is too low for what changed.
        InvalidError: The claim is no plain version.
    """
    if claim is not None:
        _plain(claim)
    if old is None or old.version is None:
        if claim is not None and parse(claim) < parse(FIRST):
            raise ClaimError(
                f"version {claim} is too low: a model's first is {FIRST} or higher, since callers rely on its contract",
                claim=claim,
                least=FIRST,
            )
        return Decision(claim or FIRST, Bump.MAJOR, None, (), {})
    judgement = looking.compare(old, new)
    version = following(old.version, judgement.bump)
    if claim is not None:
        version = _allowed(claim, old.version, judgement)
    return Decision(version, judgement.bump, old.version, tuple(judgement.changes), dict(judgement.evidence))


@contextmanager
def unpacked(give: Callable[[Path], Path]) -> Iterator[Path]:
    """Give a folder of a version that is gone when the block ends."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="plumb-version-"))
        yield give(Path(folder) / "version")


def _plain(claim: str) -> None:
    version = parse(claim)
    if version.prerelease or version.build:
        raise InvalidError(
            f"version {claim}: expected MAJOR.MINOR.PATCH alone; what is not final yet is an alias ('candidate')",
            claim=claim,
        )


def _allowed(claim: str, last: str, judgement: Judgement) -> str:
    try:
        return claimed(claim, last, judgement.bump)
    except InvalidError as error:
        why = "; ".join(f"{one.where} {one.sentence}" for one in judgement.changes if one.bump is judgement.bump)
        raise ClaimError(f"{error.sentence}{f' ({why})' if why else ''}", **error.data) from error


def _imported(named: object) -> object:
    if not isinstance(named, str):
        return named
    module, _, name = named.partition(":")
    return getattr(importlib.import_module(module), name)
