"""A version as a folder, files and manifest: what the model layer of an image holds, read without a database."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from plumbline.deployment.core.encoding import encode
from plumbline.deployment.core.errors import CorruptError, InvalidError
from plumbline.deployment.core.manifest import Manifest
from plumbline.deployment.packaging.archive import Entry, relative
from plumbline.deployment.registry.names import MANIFEST, SIGNATURES

MANIFEST_FILE, VERSION_FILE = "manifest.json", "VERSION"
"""Names that a server looks for in a folder (`--folder`)."""


class Stored(Protocol):
    """What a registry answers when a version is asked for; the part of it that packaging needs."""

    @property
    def manifest(self) -> Manifest:
        """Everything of the version but its number."""
        ...

    @property
    def version(self) -> str:
        """MAJOR.MINOR.PATCH."""
        ...

    @property
    def digest(self) -> str:
        """The version's identity: digest of the manifest."""
        ...


class Source(Protocol):
    """Where versions come from: a registry, or a folder that holds one."""

    def get(self, model: str, ref: str) -> Stored:
        """Return the version of a reference: number, alias or start of a digest."""
        ...

    def materialise(self, model: str, ref: str, folder: Path) -> Path:
        """Write the version's files, verified, into a folder that is not there yet, and return it."""
        ...


def entries(stored: Stored, folder: Path, root: str) -> Iterator[Entry]:
    """Yield what a folder of one version holds: the model's files, the manifest, the version's number.

    Args:
        stored: The version.
        folder: Where its files are.
        root: Path inside the image.

    Raises:
        CorruptError: A file is missing or altered; the sentence names it.
        InvalidError: A file has a name that packages need.
    """
    taken = {MANIFEST, MANIFEST_FILE, VERSION_FILE} & {file.path for file in stored.manifest.files}
    if taken:
        raise InvalidError(f"a file of the version is called '{min(taken)}', which packages need for themselves")
    for name in (MANIFEST, MANIFEST_FILE):  # the one is covered by signatures, the other is read by servers
        yield Entry(f"{root}/{name}", encode(stored.manifest))
    yield Entry(f"{root}/{VERSION_FILE}", f"{stored.version}\n".encode())
    for file in stored.manifest.files:
        path = relative(file.path)
        _verified(folder / path, file.digest, path)
        yield Entry(f"{root}/{path}", folder / path)
    for signature in signatures(folder):
        yield Entry(f"{root}/{signature.relative_to(folder).as_posix()}", signature)


def signatures(folder: Path) -> list[Path]:
    """Return the signature files that a registry laid out beside a version's files."""
    return sorted((folder / SIGNATURES).glob("*.json"))


def _verified(path: Path, digest: str, name: str) -> None:
    try:
        with path.open("rb") as file:
            actual = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    except FileNotFoundError:
        raise CorruptError(f"file '{name}' of the version is missing", path=name) from None
    if actual != digest:
        raise CorruptError(
            f"file '{name}' of the version was altered: it is {actual}, not {digest}", path=name, actual=actual
        )
