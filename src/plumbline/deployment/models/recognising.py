"""What a file really is, by its first bytes: a name ending in `.onnx` promises nothing."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from plumbline.deployment.core import recognised
from plumbline.deployment.core.digests import digest_of
from plumbline.deployment.core.errors import CorruptError, NotFoundError, UntrustedError
from plumbline.deployment.core.manifest import File, Manifest

_CHUNK_BYTES = 1 << 20
_PAGE = re.compile(rb"\s*<(!doctype|html|\?xml)", re.IGNORECASE)


def examine(path: Path) -> None:
    """Refuse a file that is no model, or one that would run code, by its first bytes.

    Args:
        path: A model file.

    Raises:
        NotFoundError: It is not there.
        UntrustedError: A pickle, plain or packed as joblib does.
        CorruptError: A Git-LFS pointer, an empty file, a page in place of the file.
    """
    head = _head(path)
    facts = {"file": path.name}
    if recognised.is_pointer(head):
        size = recognised.pointed_size(head)
        meant = "the model" if size is None else f"{size:,} bytes of model"
        raise CorruptError(
            f"{path.name} is a Git-LFS pointer, not the file: it stands for {meant}; run `git lfs pull` and try again",
            **facts,
            cause="lfs_pointer",
        )
    if not head:
        raise CorruptError(f"{path.name} is empty: copy or download it again", **facts, cause="empty")
    if _PAGE.match(head):
        raise CorruptError(
            f"{path.name} is a web page, not a model: a download answered with a page (sign-in, error); fetch it again",
            **facts,
            cause="page",
        )
    if kind := _pickled(path, head):
        raise UntrustedError(
            f"{path.name} is {kind}: loading one runs whatever its author wrote, so it is never loaded; "
            "register the trained estimator with pack() (ONNX, or skops for what ONNX cannot hold)",
            **facts,
            cause="pickle",
        )


def verify(folder: Path, manifest: Manifest) -> None:
    """Compare every file of a version with the manifest, byte by byte.

    Args:
        folder: Where the files are.
        manifest: What they must be.

    Raises:
        NotFoundError: One is not there.
        UntrustedError: The model file is a pickle.
        CorruptError: One is a Git-LFS pointer, shorter or longer than registered, or altered; the sentence names it.
    """
    for file in manifest.files:
        _verify(folder, file)


def _verify(folder: Path, file: File) -> None:
    path = folder / file.path
    try:
        size = path.stat().st_size
        if size != file.size:
            examine(path)
        with path.open("rb") as stream:
            found = digest_of(iter(lambda: stream.read(_CHUNK_BYTES), b""))
    except FileNotFoundError as error:
        raise _missing(file.path, folder) from error
    facts = {"file": file.path, "expected": file.digest, "found": found, "size": size}
    if size < file.size:
        raise CorruptError(
            f"{file.path} is truncated: {size:,} of {file.size:,} bytes are here; fetch it again by its digest",
            **facts,
            cause="truncated",
        )
    if found != file.digest:
        raise CorruptError(
            f"{file.path} was altered: its bytes have digest {found}, registered is {file.digest}; "
            "fetch it again by its digest",
            **facts,
            cause="altered",
        )


def _missing(name: str, folder: Path) -> NotFoundError:
    return NotFoundError(f"{name} is not in {folder}", file=name)


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(recognised.HEAD_BYTES)
    except FileNotFoundError as error:
        raise _missing(path.name, path.parent) from error


def _pickled(path: Path, head: bytes) -> str | None:
    if recognised.is_pickle(head) or recognised.is_old_pickle(head):
        return "a pickle"
    if name := recognised.packing(head):
        return f"packed with {name}, as joblib packs pickles"
    if head.startswith(recognised.ARCHIVE) and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            inside = recognised.pickle_among(archive.namelist())
        if inside:
            return f"an archive with the pickle {inside} in it (as torch.save writes)"
    return None


def is_archive(path: Path) -> bool:
    """Return whether a file begins as a ZIP does: a skops file is one."""
    return _head(path).startswith(recognised.ARCHIVE)
