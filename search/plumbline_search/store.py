"""Index folders on disk: immutable, named by content, made current by one rename."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

SCHEMA = "plumbline.index/1"
MANIFEST, CURRENT, LOCK = "manifest.json", "current", "lock"
_PARTIAL = "partial-"


class IndexMissingError(Exception):
    """There is no index yet."""


class IndexBrokenError(Exception):
    """There is an index that must not be used; the sentence says why and what to do."""


class IndexBusyError(Exception):
    """Another process is building an index at the same place."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an index says of itself.

    Args:
        schema: `plumbline.index/1`.
        layout: Versions and sizes that the content was cut and written by.
        content: SHA-256 over corpus, model and layout; the folder's name is its beginning.
        fingerprint: SHA-256 over the catalogue's files that it was built from.
        model_sha256: Checksum of the model's weights; None for a lexical index.
        dimension: Of the vectors; 0 for a lexical index.
        embedded_by: How many chunks each program embedded: `sentence-transformers`, `onnxruntime`.
        pages: Number of pages.
        sections: Number of sections.
        chunks: Number of chunks.
        files: SHA-256 of each file, by its path in the folder.
    """

    schema: str
    layout: str
    content: str
    fingerprint: str
    model_sha256: str | None
    dimension: int
    embedded_by: dict[str, int]
    pages: int
    sections: int
    chunks: int
    files: dict[str, str]


def current(home: Path) -> Path:
    """Return the folder of the current index.

    Raises:
        IndexMissingError: There is none.
    """
    try:
        name = (home / CURRENT).read_text(encoding="utf-8").strip()
    except (FileNotFoundError, NotADirectoryError):
        raise IndexMissingError("there is no search index yet; build it: plumb index") from None
    except (OSError, UnicodeDecodeError) as error:
        raise IndexBrokenError(
            f"{home / CURRENT}: cannot be read ({error}); build the index again: plumb index"
        ) from None
    folder = home / name
    if not name or "/" in name or not folder.is_dir():
        raise IndexBrokenError(f"{home / CURRENT}: names no index folder; build the index again: plumb index")
    return folder


def stamp(home: Path) -> tuple[int, int, int] | None:
    """Return what changes when another index becomes current; None if there is none. Costs one system call."""
    try:
        seen = (home / CURRENT).stat()
    except OSError:
        return None
    return seen.st_ino, seen.st_mtime_ns, seen.st_size


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of an index folder.

    Raises:
        IndexBrokenError: It is missing, cannot be read, or is of another version.
    """
    try:
        stored: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if stored.get("schema") != SCHEMA:
            raise IndexBrokenError(
                f"{folder}: has the layout {stored.get('schema')!r}, but this version reads {SCHEMA!r}; run plumb index"
            )
        return Manifest(**stored)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise IndexBrokenError(
            f"{folder / MANIFEST}: cannot be read ({error}); build the index again: plumb index --rebuild"
        ) from None


def verify(folder: Path, manifest: Manifest) -> None:
    """Compare every file of an index with its checksum.

    Raises:
        IndexBrokenError: A file is missing or was changed.
    """
    for name, expected in manifest.files.items():
        path = folder / name
        try:
            found = checksum(path)
        except OSError:
            raise IndexBrokenError(f"{path}: is missing; build the index again: plumb index --rebuild") from None
        if found != expected:
            raise IndexBrokenError(
                f"{path}: its checksum is not the manifest's; build the index again: plumb index --rebuild"
            )


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def building(home: Path) -> Iterator[Path]:
    """Give an empty folder to build in; whatever is left in it when the process dies is collected by the next build.

    Raises:
        IndexBusyError: Another process is building here.
    """
    home.mkdir(parents=True, exist_ok=True)
    with (home / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the kernel lets go of it when the process dies
        except BlockingIOError:
            raise IndexBusyError(f"{home}: another process is building the index; wait for it") from None
        _remove_partial(home)
        folder = home / f"{_PARTIAL}{uuid.uuid4().hex}"
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def publish(home: Path, folder: Path, manifest: dict[str, Any] | Manifest) -> Path:
    """Make a built folder the current index: checksums, manifest, rename, pointer.

    Up to the last rename the old index is current; a crash in between harms nothing.

    Args:
        home: Folder of the indexes.
        folder: Where it was built, in `home`.
        manifest: Without `files`, which are counted here.

    Returns:
        The folder under its final name.
    """
    fields = asdict(manifest) if isinstance(manifest, Manifest) else manifest
    files = {
        path.relative_to(folder).as_posix(): checksum(path) for path in sorted(folder.rglob("*")) if path.is_file()
    }
    complete = Manifest(**{**fields, "files": files})
    (folder / MANIFEST).write_text(json.dumps(asdict(complete), indent=2, sort_keys=True) + "\n", encoding="utf-8")
    for path in folder.rglob("*"):
        if path.is_file():
            _sync(path)
    _sync(folder)
    final = home / f"{complete.content[:16]}-{uuid.uuid4().hex[:8]}"
    folder.rename(final)
    point(home, final)
    return final


def point(home: Path, folder: Path) -> None:
    """Make a folder the current one, by one rename."""
    fresh = home / f"{_PARTIAL}{CURRENT}-{uuid.uuid4().hex}"
    fresh.write_text(folder.name, encoding="utf-8")
    _sync(fresh)
    fresh.replace(home / CURRENT)
    _sync(home)


def collect(home: Path, keep: int = 2) -> list[Path]:
    """Remove old index folders: all but the current one and the newest others, up to `keep` in all.

    One old folder stays, for a service that was just about to open it.
    """
    now = current(home)
    folders = [path for path in home.iterdir() if path.is_dir() and path != now and not path.name.startswith(_PARTIAL)]
    folders.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
    removed = folders[max(0, keep - 1) :]
    for folder in removed:
        shutil.rmtree(folder, ignore_errors=True)
    return removed


def _remove_partial(home: Path) -> None:
    for path in home.glob(f"{_PARTIAL}*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
