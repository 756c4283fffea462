"""Where versions come from: a folder with manifests, or a registry. Both give a folder whose files were verified."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from plumbline.deployment.core.digests import digest_of
from plumbline.deployment.core.encoding import decode
from plumbline.deployment.core.errors import CorruptError, NotFoundError, UnavailableError
from plumbline.deployment.core.manifest import Manifest

CHUNK = 1 << 20
MANIFESTS = ("manifest.json", "plumbline.json")
"""Names of a manifest: in an image or model artefact, and in a folder that a registry laid out."""
UNNUMBERED = "0.0.0"


@dataclass(frozen=True, slots=True)
class Found:
    """A version that can be loaded.

    Args:
        version: Its semantic version.
        digest: Of its manifest.
        manifest: What it is.
    """

    version: str
    digest: str
    manifest: Manifest


class Source(Protocol):
    """Finds versions and lays out their files. Both may block: they are called in a thread."""

    def find(self, ref: str) -> Found:
        """Return the version that a version number, alias, digest or its beginning means.

        Raises:
            NotFoundError: There is none.
            UnavailableError: The registry cannot be asked.
        """
        ...

    def folder(self, found: Found) -> Path:
        """Return a folder with the version's files, each verified against its digest.

        Raises:
            CorruptError: A file is not what its digest names; the sentence names the file.
        """
        ...

    def index(self) -> list[Found]:
        """Return all versions, oldest first."""
        ...


class FolderSource:
    """Versions in a folder: a manifest beside the files, or subfolders of that form; `VERSION` holds the number.

    Args:
        path: The folder.
        model: Name of the model; manifests of others are left alone.
    """

    def __init__(self, path: Path, model: str) -> None:
        self._path = path
        self._model = model

    def find(self, ref: str) -> Found:
        """As `Source` says; `latest` means the newest version, by number."""
        all_ = self.index()
        if not all_:
            raise NotFoundError(f"{self._path} holds no manifest of model '{self._model}'", model=self._model)
        if ref == "latest":
            return all_[-1]
        for found in reversed(all_):
            if found.version == ref or found.digest == ref or (len(ref) >= 15 and found.digest.startswith(ref)):
                return found
        raise NotFoundError(
            f"{self._path} has no version '{ref[:80]}' of '{self._model}'", model=self._model, ref=ref[:80]
        )

    def folder(self, found: Found) -> Path:
        """As `Source` says; the files stay where they are."""
        for path in self._places():
            if _digest(path) == found.digest:
                for file in found.manifest.files:
                    _verify(path / file.path, file.digest)
                return path
        raise NotFoundError(f"{self._path} has no version {found.version} any more", ref=found.digest)

    def index(self) -> list[Found]:
        """As `Source` says."""
        from plumbline.deployment.core.semver import parse

        found = [self._found(path) for path in self._places()]
        return sorted((one for one in found if one.manifest.model == self._model), key=lambda one: parse(one.version))

    def _places(self) -> list[Path]:
        try:
            if _file(self._path) is not None:
                return [self._path]
            return sorted(path for path in self._path.glob("*") if _file(path) is not None)
        except OSError as error:
            raise UnavailableError(f"{self._path}: {error.strerror}", path=str(self._path)) from error

    def _found(self, path: Path) -> Found:
        manifest = _manifest(path)
        number = path / "VERSION"
        version = number.read_text().strip() if number.is_file() else UNNUMBERED
        return Found(version, _digest(path), manifest)


class RegistrySource:
    """Versions of a registry, opened read-only for each question: a server holds no connection while it serves.

    Args:
        url: The registry.
        blobs: Folder of its files, for a database.
        model: Name of the model.
        cache: Where versions are put; None for a temporary folder that goes with the process.
    """

    def __init__(self, url: str, blobs: str | None, model: str, cache: Path | None) -> None:
        self._url = url
        self._blobs = None if blobs is None else Path(blobs)
        self._model = model
        self._temporary = tempfile.TemporaryDirectory(prefix="plumbline-serving-") if cache is None else None
        self._cache = Path(self._temporary.name) if self._temporary is not None else cache or Path()

    def find(self, ref: str) -> Found:
        """As `Source` says."""
        found: Found = self._ask(lambda registry: _of(registry.get(self._model, ref)))
        return found

    def folder(self, found: Found) -> Path:
        """As `Source` says."""
        target = self._cache / found.digest.removeprefix("sha256:")
        return Path(self._ask(lambda registry: registry.materialise(self._model, found.digest, target)))

    def index(self) -> list[Found]:
        """As `Source` says."""
        found: list[Found] = self._ask(lambda registry: [_of(one) for one in reversed(registry.versions(self._model))])
        return found

    def _ask(self, question: Any) -> Any:
        from plumbline.deployment.registry.store import Registry

        registry = Registry.open(self._url, blobs=self._blobs, read_only=True)
        try:
            return question(registry)
        finally:
            registry.close()


def _of(stored: Any) -> Found:
    return Found(stored.version, stored.digest, stored.manifest)


def _file(path: Path) -> Path | None:
    return next((path / name for name in MANIFESTS if (path / name).is_file()), None)


def _text(path: Path) -> bytes:
    file = _file(path)
    if file is None:
        raise NotFoundError(f"{path} has no manifest any more", path=str(path))
    return file.read_bytes()


def _manifest(path: Path) -> Manifest:
    return decode(_text(path), Manifest, f"manifest of {path}")


def _digest(path: Path) -> str:
    return digest_of(_text(path))


def _verify(path: Path, digest: str) -> None:
    try:
        with path.open("rb") as file:
            found = digest_of(iter(lambda: file.read(CHUNK), b""))
    except OSError as error:
        raise CorruptError(f"{path}: {error.strerror}", file=str(path)) from error
    if found != digest:
        raise CorruptError(f"{path} is not what its manifest names: {found}, not {digest}", file=str(path))
