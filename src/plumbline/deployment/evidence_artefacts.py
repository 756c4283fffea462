"""Whether a model's files are what was stored: in a registry, and in a folder or image layout on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from plumbline.deployment.probes.sums import Expected, of
from plumbline.deployment.probes.wholeness import Compared, compare
from plumbline.evidence import Endpoint, Source, UnavailableError, measured

WITHIN_S = 12.0
"""Digests are computed for so long, which is some 10 GB; both records within the diagnostic's 40 s."""
MOST_FILES = 20_000


@dataclass(frozen=True, slots=True)
class FlawedFile:
    """A file that is not what it should be."""

    name: str = measured("", "which file, of which version", secrecy="internal")
    kind: str = measured("", "altered, truncated, empty, missing, lfs-pointer, web-page or pickle")
    size: int = measured("By", "bytes that are there")
    expected: int | None = measured("By", "bytes that there must be; None: nobody says")
    needed: bool = measured("1", "an alias points at its version, or it is part of the artefact named")


@dataclass(frozen=True, slots=True)
class StoredFiles:
    """The files of a registry's versions."""

    files: int = measured("{file}", "files that were looked at")
    compared: int = measured("{file}", "those of which every byte was compared with a digest")
    unread: int = measured("{file}", "those that have a digest, and for which there was no time")
    size: int = measured("By", "bytes of all of them")
    flaws: tuple[FlawedFile, ...] = measured("", "those that are not what they should be")
    sources: ClassVar[tuple[Source, ...]] = ()


@dataclass(frozen=True, slots=True)
class ArtefactFiles:
    """The files of a model's folder, of a single file, or of an OCI image layout."""

    files: int = measured("{file}", "files that were looked at")
    compared: int = measured("{file}", "those of which every byte was compared with a digest")
    unread: int = measured("{file}", "those that have a digest, and for which there was no time")
    size: int = measured("By", "bytes of all of them")
    flaws: tuple[FlawedFile, ...] = measured("", "those that are not what they should be")
    sources: ClassVar[tuple[Source, ...]] = ()


def stored_from_registry(endpoint: Endpoint) -> StoredFiles:
    """Read the registry's tables, and every file of its versions; those that aliases point at first.

    Raises:
        UnavailableError: It is none of ours, or cannot be opened or read.
    """
    from plumbline.deployment.core.errors import DeploymentError

    place = endpoint.registry or ""
    if place.startswith(("http://", "https://")):
        raise UnavailableError(
            "not_configured", "MLflow keeps no digests: download the version, and name its folder as artefact"
        )
    try:
        files = _wanted(place, endpoint.model)
    except DeploymentError as error:
        raise UnavailableError(
            "unreachable", f"{error.sentence}; or name the folder of its files as artefact"
        ) from None
    return StoredFiles(*_told(files))


def artefact_from_path(endpoint: Endpoint) -> ArtefactFiles:
    """Read the files of the artefact, and what the folder itself says of their digests.

    Raises:
        UnavailableError: It is not there, or belongs to another user.
    """
    place = Path(endpoint.artefact or "")
    if not place.exists():
        raise UnavailableError("unreachable", f"{place} does not exist")
    try:
        return ArtefactFiles(*_told(of(place, MOST_FILES)))
    except PermissionError as error:
        raise UnavailableError("permission", f"{error.filename} may not be read by this user") from None


def _wanted(place: str, model: str | None) -> list[Expected]:
    from plumbline.deployment.registry.store import Registry

    with Registry.open(place, read_only=True) as registry:
        found: dict[str, Expected] = {}
        models = [one for one in registry.models() if model in (None, one)]
        for name in models:
            used = registry.aliases(name)
            for version in registry.versions(name):
                if version.collected_at is not None:
                    continue
                needed = version.version in used.values()
                for file in version.manifest.files:
                    said = f"{name} {version.version}, {file.path}"
                    one = Expected(registry.blobs.path(file.digest), said, file.digest, file.size, needed)
                    if needed or file.digest not in found:
                        found[file.digest] = one
    return sorted(found.values(), key=lambda one: not one.needed)[:MOST_FILES]


def _told(files: Sequence[Expected]) -> tuple[int, int, int, int, tuple[FlawedFile, ...]]:
    try:
        seen = compare(files, WITHIN_S)
    except PermissionError as error:
        raise UnavailableError("permission", f"{error.filename} may not be read by this user") from None
    flaws = tuple(_flawed(one) for one in seen if one.kind is not None)
    read = sum(one.read for one in seen)
    return len(seen), read, sum(one.unread for one in seen), sum(one.size for one in seen), flaws


def _flawed(one: Compared) -> FlawedFile:
    return FlawedFile(one.one.name, one.kind or "", one.size, one.one.size, one.one.needed)


StoredFiles.sources = (
    Source(frozenset({"registry"}), "tables and every file of the registry {registry}", stored_from_registry),
)
ArtefactFiles.sources = (
    Source(frozenset({"artefact"}), "every file of {artefact}, none is loaded", artefact_from_path),
)
