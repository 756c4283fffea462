"""The shared libraries that programs and packages take from this system: each found as the dynamic loader would."""

from __future__ import annotations

import platform
import re
import subprocess
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from plumbline.deployment.core.errors import InvalidError, NotFoundError
from plumbline.deployment.packaging.elf import is_binary, needed, search

_LINE = re.compile(r"\s+(\S+) \((.*?)\) => (\S+)")
_LOADED_LATER = "libgcc_s.so.1"
"""Opened by glibc when a thread ends, not named in any binary."""
_LIBC = "libc.so.6"


@dataclass(frozen=True, slots=True)
class Library:
    """A shared library of this system that the image carries.

    Args:
        name: As binaries ask for it.
        source: The file here.
        path: In the image: beside the C library, where the loader looks without being told.
    """

    name: str
    source: Path
    path: str


@dataclass(frozen=True, slots=True)
class _Wish:
    name: str
    by: str
    folders: tuple[Path, ...]


def asked_for(files: Iterable[tuple[str, bytes | Path]]) -> list[Library]:
    """Return the libraries that files ask for and do not bring along, and those that these ask for, by name.

    Args:
        files: Path in the image and contents; what is no binary is passed over.

    Raises:
        InvalidError: This system has no glibc.
        NotFoundError: A library is not on this system; the sentence names it and who asks for it.
    """
    cache = _cache()
    brought: set[str] = set()
    waiting: deque[_Wish] = deque()
    for path, origin, data in _binaries(files):
        brought.add(PurePosixPath(path).name)
        waiting.extend(_wishes(path, origin, data))
    waiting.append(_Wish(_LOADED_LATER, "glibc", ()))
    folder = str(cache[_LIBC].parent).lstrip("/")
    found: dict[str, Library] = {}
    while waiting:
        wish = waiting.popleft()
        if wish.name in found or wish.name in brought:
            continue
        source = _located(wish, cache)
        found[wish.name] = Library(wish.name, source, f"{folder}/{wish.name}")
        waiting.extend(_wishes(wish.name, source, source.read_bytes()))
    return [found[name] for name in sorted(found)]


def _wishes(path: str, source: Path | None, data: bytes) -> Iterator[_Wish]:
    origin = str(source.parent) if source is not None else ""
    folders = [text.replace("$ORIGIN", origin).replace("${ORIGIN}", origin) for text in search(data)]
    for name in needed(data):
        yield _Wish(name, path, tuple(Path(folder) for folder in folders))


def _located(wish: _Wish, cache: Mapping[str, Path]) -> Path:
    beside = (folder / wish.name for folder in wish.folders)
    path = next((path for path in beside if path.is_file()), cache.get(wish.name))
    if path is None:
        raise NotFoundError(
            f"{wish.by} needs the library {wish.name}, which is not on this system: install it, or give --base",
            library=wish.name,
            by=wish.by,
        )
    return path.resolve()


def _binaries(files: Iterable[tuple[str, bytes | Path]]) -> Iterator[tuple[str, Path | None, bytes]]:
    for path, source in files:
        if isinstance(source, bytes):
            if is_binary(source[:8]):
                yield path, None, source
            continue
        with source.open("rb") as file:
            head = file.read(8)
            if is_binary(head):
                yield path, source.resolve(), head + file.read()


def _cache() -> dict[str, Path]:
    """Return the libraries of the dynamic loader's cache that fit this machine, by name."""
    try:
        text = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True, timeout=30).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise InvalidError(f"--base none needs glibc's ldconfig to find libraries, but {error}: give --base") from error
    wanted = {"x86_64": "x86-64", "aarch64": "AArch64"}.get(platform.machine(), platform.machine())
    found: dict[str, Path] = {}
    for line in text.splitlines():
        match = _LINE.match(line)
        if match and wanted in match[2]:
            found.setdefault(match[1], Path(match[3]))
    if _LIBC not in found:
        raise InvalidError("--base none needs a machine with glibc, and ldconfig knows none here: give --base")
    return found
