"""Tar files that depend on nothing but their contents: not on the machine, its users, its clock or its umask."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Literal

from plumbline.deployment.core.errors import InvalidError

Compression = Literal["none", "gzip"]
"""How layers are stored. What gzip writes depends on the machine's zlib; uncompressed bytes are the same everywhere."""

_VARIABLE = "SOURCE_DATE_EPOCH"
_GZIP_LEVEL = 6
_BINARY, _PLAIN = 0o755, 0o644


@dataclass(frozen=True, slots=True)
class Entry:
    """One file, folder or link of a layer.

    Args:
        path: Inside the image, without a leading `/`.
        source: Bytes, or the file that holds them; None for a folder.
        executable: Whether it may be run; ignored for folders, which are 0755 unless `mode` says otherwise.
        link: Target of a symbolic link; then there is no source.
        owner: User and group, 0 unless the server must write there.
        mode: Permissions where the two usual ones do not do.
    """

    path: str
    source: bytes | Path | None = field(repr=False, default=None)
    executable: bool = False
    link: str | None = None
    owner: int = 0
    mode: int | None = None


def epoch() -> int:
    """Return the time that stands in archives and configurations: `$SOURCE_DATE_EPOCH` in Unix seconds, else 0.

    Raises:
        InvalidError: The variable is no count of seconds.
    """
    text = os.environ.get(_VARIABLE, "0")
    if not text.isascii() or not text.isdigit() or len(text) > 11:
        raise InvalidError(f"{_VARIABLE} is '{text[:40]}', but must be Unix time in seconds: a whole number from 0")
    return int(text)


def write(entries: Iterable[Entry], out: BinaryIO, *, mtime: int) -> None:
    """Write a tar file: sorted, folders before what they hold, owner and time as given, no extended attributes.

    Raises:
        InvalidError: A path twice, or one that leaves the image's root.
    """
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for entry in _complete(entries):
            info = _header(entry, mtime)
            if entry.source is None:
                archive.addfile(info)
                continue
            with _opened(entry.source) as file:
                info.size = file.seek(0, os.SEEK_END)
                file.seek(0)
                archive.addfile(info, file)


def compressed(out: BinaryIO, compression: Compression) -> BinaryIO | gzip.GzipFile:
    """Return where to write a layer: the file itself, or gzip in front of it without name and time."""
    if compression == "none":
        return out
    return gzip.GzipFile(filename="", mode="wb", fileobj=out, mtime=0, compresslevel=_GZIP_LEVEL)


def relative(path: str) -> str:
    """Return a path inside an image, normalised.

    Raises:
        InvalidError: It is empty or leaves the root.
    """
    parts = PurePosixPath(path.lstrip("/")).parts
    if not parts or ".." in parts or "\0" in path:
        raise InvalidError(f"'{path[:80]}' is no path inside an image: it must be relative and hold no '..'")
    return "/".join(parts)


def _complete(entries: Iterable[Entry]) -> Iterator[Entry]:
    found: dict[str, Entry] = {}
    for entry in entries:
        path = relative(entry.path)
        if path in found:
            raise InvalidError(f"'{path}' stands twice in one layer: two packages hold the same file", path=path)
        found[path] = entry
    for path in list(found):
        for folder in list(PurePosixPath(path).parents)[:-1]:
            found.setdefault(str(folder), Entry(str(folder)))
    for path in sorted(found, key=lambda text: text.split("/")):
        yield found[path]


def _header(entry: Entry, mtime: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(relative(entry.path))
    info.mtime, info.uid, info.gid = mtime, entry.owner, entry.owner
    if entry.link is not None:
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, entry.link, 0o777
    elif entry.source is None:
        info.type, info.mode = tarfile.DIRTYPE, _BINARY if entry.mode is None else entry.mode
    else:
        info.mode = entry.mode if entry.mode is not None else _BINARY if entry.executable else _PLAIN
    return info


def _opened(source: bytes | Path) -> BinaryIO:
    return io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")
