"""Files by digest: written beside their place, synced, renamed. A crash leaves a whole file or none.

Layout: `sha256/ab/cdef…`, the first two digits a folder. Who has the digest needs no lock: it never
means anything else.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from plumbline.deployment.core.digests import checked
from plumbline.deployment.core.errors import (
    CorruptError,
    DeploymentError,
    FullError,
    InvalidError,
    NotFoundError,
    UnavailableError,
)
from plumbline.deployment.core.recognised import is_pointer

PIECE = 1 << 20
LEFT_OVER_S = 3600.0
"""Age at which a file that was being written belongs to nobody: no artefact takes an hour to copy on one machine."""

_POINTER_SIZE = 1024
"""A pointer is smaller than this many bytes (Git LFS specification)."""


@dataclass(frozen=True, slots=True)
class Blob:
    """What was put.

    Args:
        digest: Of its bytes.
        size: In bytes.
        fresh: Whether it was not there before.
    """

    digest: str
    size: int
    fresh: bool


class Blobs:
    """A folder of files by digest. Several processes may use one; none ever sees half a file.

    Args:
        folder: Made when the first file is put.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, digest: str) -> Path:
        """Return where a blob lies, or would lie."""
        hexadecimal = checked(digest).removeprefix("sha256:")
        return self.folder / "sha256" / hexadecimal[:2] / hexadecimal[2:]

    def has(self, digest: str) -> bool:
        """Return whether it is there; nothing is said of its bytes."""
        return self.path(digest).is_file()

    def put(self, source: Path, *, expect: str | None = None, size: int | None = None) -> Blob:
        """Store a file. A blob that is there already is replaced by these bytes: it may have been damaged.

        Args:
            source: Read once, from beginning to end.
            expect: Digest that it must have; None for any.
            size: Bytes that it must have; None for any.

        Raises:
            CorruptError: It is not as expected: a truncated download, a file that changed meanwhile.
            InvalidError: It cannot be read, is empty, or is a Git LFS pointer instead of a model.
            FullError: The disk takes no more; what was written of it is gone again.
            UnavailableError: The folder cannot be written.
        """
        try:
            file = source.open("rb")
        except OSError as error:
            raise InvalidError(f"{source}: {error.strerror}", path=str(source)) from error
        with file:
            return self._store(file, str(source), expect, size)

    def open(self, digest: str) -> BinaryIO:
        """Open a blob for reading.

        Raises:
            NotFoundError: It is not there.
        """
        try:
            return self.path(digest).open("rb")
        except OSError as error:
            raise NotFoundError(
                f"blob {digest} is not in {self.folder}: it was never put there, or was deleted by hand", digest=digest
            ) from error

    def verify(self, digest: str) -> int:
        """Read a blob again and return its size in bytes.

        Raises:
            NotFoundError: It is not there.
            CorruptError: Its bytes are not those of its digest.
        """
        with self.open(digest) as file:
            return self._same(digest, *_copied(file, None))

    def copy(self, digest: str, target: Path) -> int:
        """Copy a blob to a new file, synced, and return its size in bytes.

        Raises:
            NotFoundError: It is not there.
            CorruptError: Its bytes are not those of its digest.
            FullError: The target's disk is full.
            UnavailableError: The target cannot be written.
        """
        with self.open(digest) as file:
            try:
                with target.open("xb") as out:
                    found = _copied(file, out)
            except OSError as error:
                raise unwritable(target, error) from error
        return self._same(digest, *found)

    def _same(self, digest: str, found: str, size: int) -> int:
        if found != digest:
            raise CorruptError(
                f"{self.path(digest)}: its bytes have digest {found}; register the file again from where it came",
                digest=digest,
                found=found,
                path=str(self.path(digest)),
            )
        return size

    def all(self) -> Iterator[str]:
        """Yield every digest that is there."""
        for path in sorted((self.folder / "sha256").glob("??/" + "?" * 62)):
            yield f"sha256:{path.parent.name}{path.name}"

    def age_s(self, digest: str, now: float) -> float:
        """Return how long ago a blob was written last, in seconds; 0 if it is not there."""
        with contextlib.suppress(FileNotFoundError):
            return now - self.path(digest).stat().st_mtime
        return 0.0

    def delete(self, digest: str) -> int:
        """Delete a blob and return its size in bytes; 0 if it was not there."""
        path = self.path(digest)
        with contextlib.suppress(FileNotFoundError):
            size = path.stat().st_size
            path.unlink()
            return size
        return 0

    def sweep(self, now: float | None = None) -> int:
        """Delete what crashed writers left, and return how many files that were."""
        limit = (time.time() if now is None else now) - LEFT_OVER_S
        count = 0
        for path in (self.folder / "tmp").glob("*"):
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < limit:
                    path.unlink()
                    count += 1
        return count

    def _store(self, file: BinaryIO, where: str, expect: str | None, size: int | None) -> Blob:
        temporary = self.folder / "tmp" / secrets.token_hex(8)
        try:
            temporary.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("xb") as out:
                digest, found = _copied(file, out)
            _sound(temporary, where, found)
            if expect is not None and digest != expect:
                raise _other(where, (digest, found), (expect, size))
            return Blob(digest, found, fresh=self._settle(temporary, digest))
        except OSError as error:
            raise unwritable(self.folder, error) from error
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink()

    def _settle(self, temporary: Path, digest: str) -> bool:
        """Give a written file its name; return False if it had been there."""
        path = self.path(digest)
        fresh = not path.exists()
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.chmod(0o444)
        temporary.replace(path)
        for folder in (path.parent, path.parent.parent, self.folder):
            synced(folder)
        return fresh


def synced(folder: Path) -> None:
    """Make the names in a folder last: without it a crash of the machine may forget a rename."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def unwritable(path: Path, error: OSError) -> DeploymentError:
    """Say why a file could not be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return FullError(f"{path}: {error.strerror}; nothing was stored", path=str(path))
    return UnavailableError(f"{path}: {error.strerror}; nothing was stored", path=str(path))


def _copied(file: BinaryIO, out: BinaryIO | None) -> tuple[str, int]:
    """Read to the end, writing and syncing a copy on the way if one is wanted; return digest and size."""
    state, size = hashlib.sha256(), 0
    while piece := file.read(PIECE):
        state.update(piece)
        size += len(piece)
        if out is not None:
            out.write(piece)
    if out is not None:
        out.flush()
        os.fsync(out.fileno())
    return f"sha256:{state.hexdigest()}", size


def _sound(written: Path, where: str, size: int) -> None:
    if not size:
        raise InvalidError(f"{where} is empty: its download or its export did not finish", path=where)
    if size >= _POINTER_SIZE:
        return
    content = written.read_bytes()
    if is_pointer(content) and b"\noid " in content:
        raise InvalidError(f"{where} is a Git LFS pointer, not the file it points to: run 'git lfs pull'", path=where)


def _other(where: str, found: tuple[str, int], expected: tuple[str, int | None]) -> CorruptError:
    (digest, size), (wanted, whole) = found, expected
    if whole is not None and size < whole:
        what = f"is truncated: {size:,} of {whole:,} bytes"
    else:
        what = f"has {size:,} bytes with digest {digest}, but {wanted} was expected"
    return CorruptError(f"{where} {what}; get it again", digest=wanted, found=digest, size=size, path=where)
