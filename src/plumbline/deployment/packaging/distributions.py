"""The Python distributions of an image: what each holds, where it comes from, what it needs."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from plumbline.deployment.core.errors import NotFoundError
from plumbline.deployment.packaging.archive import Entry

SITE = "opt/plumbline/lib"
"""Where packages stand in an image; `PYTHONPATH` leads there."""
UNWANTED = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"})
"""What an installer writes about one machine; RECORD is written anew."""


@dataclass(frozen=True)
class Distribution:
    """One distribution, ready for a layer.

    Args:
        name: As its metadata has it.
        version: As its metadata has it.
        requires: Requirements, as its metadata has them.
        files: Path below `SITE`, contents, and whether it may be run.
        info: Name of its metadata folder.
        licence: SPDX expression or what stands in its place; empty if unknown.
        digest: Of the wheel it comes from, None if it was read from an environment.
    """

    name: str
    version: str
    requires: tuple[str, ...]
    files: tuple[tuple[str, bytes | Path, bool], ...] = field(repr=False)
    info: str
    licence: str = ""
    digest: str | None = None

    @cached_property
    def contents(self) -> str:
        """Digest over paths and contents: the same for the same files, wherever they were installed."""
        return f"sha256:{hashlib.sha256(self.record).hexdigest()}"

    @cached_property
    def record(self) -> bytes:
        """RECORD of what is in the layer, and of nothing else."""
        lines = [f"{path},sha256={_base64(source)},{_size(source)}" for path, source, _ in sorted_files(self)]
        return "\n".join([*lines, f"{self.info}/RECORD,,", ""]).encode()

    def entries(self) -> list[Entry]:
        """Return what a layer holds of it."""
        found = [Entry(f"{SITE}/{path}", source, executable=run) for path, source, run in self.files]
        return [*found, Entry(f"{SITE}/{self.info}/RECORD", self.record)]


class Packages(Protocol):
    """Where distributions are found: an environment or a folder of wheels."""

    def find(self, name: str) -> Distribution | None:
        """Return the distribution of a (normalised) name, None if there is none."""
        ...


def closure(packages: Packages, roots: Iterable[str], *, leaves: frozenset[str] = frozenset()) -> list[Distribution]:
    """Return the distributions that the roots need, sorted by name.

    Args:
        packages: Where they are found.
        roots: Requirements to begin with, such as `uvicorn` or `protobuf>=5`.
        leaves: Normalised names whose own requirements are not followed.

    Raises:
        NotFoundError: One is missing, or there in a version that does not do.
    """
    found: dict[str, Distribution] = {}
    waiting = [(Requirement(root), "the server") for root in roots]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        wanted, by = waiting.pop()
        name = canonicalize_name(wanted.name)
        key = (name, frozenset(wanted.extras))
        distribution = found.get(name) or packages.find(name)
        if distribution is None or not wanted.specifier.contains(distribution.version, prereleases=True):
            has = f"only {distribution.version} is there" if distribution else "it is not there"
            raise NotFoundError(
                f"the image needs {wanted.name}{wanted.specifier} for {by}, but {has}: install it or add its wheel",
                package=name,
            )
        found[name] = distribution
        if key not in seen and name not in leaves:
            seen.add(key)
            waiting += [(one, distribution.name) for one in _needed(distribution, wanted.extras)]
    return [found[name] for name in sorted(found)]


def needs(distribution: Distribution, among: Iterable[str]) -> list[str]:
    """Return the normalised names that a distribution needs, of those that are in an image."""
    required = {canonicalize_name(one.name) for one in _needed(distribution, set())}
    return sorted(required & set(among))


def sorted_files(distribution: Distribution) -> list[tuple[str, bytes | Path, bool]]:
    """Return the files by path."""
    return sorted(distribution.files, key=lambda file: file[0])


def _needed(distribution: Distribution, extras: set[str]) -> list[Requirement]:
    environment = {key: str(value) for key, value in default_environment().items()}
    chosen = [*extras, ""]
    requirements = [Requirement(text) for text in distribution.requires]
    return [
        one
        for one in requirements
        if one.marker is None or any(one.marker.evaluate({**environment, "extra": extra}) for extra in chosen)
    ]


def _base64(source: bytes | Path) -> str:
    if isinstance(source, bytes):
        digest = hashlib.sha256(source).digest()
    else:
        with source.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _size(source: bytes | Path) -> int:
    return len(source) if isinstance(source, bytes) else source.stat().st_size
