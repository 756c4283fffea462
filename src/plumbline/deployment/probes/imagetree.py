"""The files of an image, layer on layer, as a node unpacks them: which is seen at the end, which only takes room."""

from __future__ import annotations

import csv
import hashlib
import io
import tarfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from plumbline.deployment.packaging.reading import Image, blob

COMPARED_FROM = 64 << 10
"""Bytes of a file from which on it is compared with others: below, thousands of equal ones are licences and stubs."""
_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"
_CHUNK = 1 << 20
_MOST_RECORD = 8 << 20


@dataclass(frozen=True, slots=True)
class Kept:
    """A file of one layer.

    Args:
        size: In bytes, unpacked.
        digest: Of its bytes, empty if it is too small to be compared.
    """

    size: int
    digest: str = ""


@dataclass(slots=True)
class Tree:
    """What an image's layers hold.

    Args:
        files: Those that a container sees, by path.
        hidden: (path, bytes) of those that a higher layer deletes or replaces: they are pulled and stored all the same.
        records: Lists of files that installed Python distributions have, by the list's path.
        unpacked: Bytes of all files of all layers that were read.
        unread: Layers that could not be listed, or for which there was no time.
    """

    files: dict[str, Kept] = field(default_factory=dict)
    hidden: list[tuple[str, int]] = field(default_factory=list)
    records: dict[str, str] = field(default_factory=dict)
    unpacked: int = 0
    unread: int = 0

    def hide(self, path: str, *, below: bool, only: set[str]) -> None:
        """Put aside a file of a lower layer, or all below a folder."""
        if path in self.files and path in only:
            self.hidden.append((path, self.files.pop(path).size))
        elif below:
            for one in [one for one in self.files if one.startswith(f"{path}/") and one in only]:
                self.hidden.append((one, self.files.pop(one).size))


def read(layout: Path, image: Image, within_s: float) -> Tree:
    """Read all layers of an image, the lowest first.

    Args:
        layout: The folder that holds it.
        image: One of its manifests.
        within_s: How long, in seconds; layers that are left then are counted as unread.
    """
    tree, until = Tree(), time.monotonic() + within_s
    for layer in image.manifest["layers"]:
        try:
            with tarfile.open(blob(layout, layer["digest"]), mode="r|*") as archive:
                _apply(tree, archive, until)
        except (tarfile.TarError, OSError, EOFError):
            tree.unread += 1
    return tree


def _apply(tree: Tree, archive: tarfile.TarFile, until: float) -> None:
    lower = set(tree.files)
    for member in archive:
        if time.monotonic() > until:
            raise EOFError("no time left")
        path = PurePosixPath(member.name.lstrip("/")).as_posix()
        folder, _, name = path.rpartition("/")
        if name == _OPAQUE:
            tree.hide(folder, below=True, only=lower)
        elif name.startswith(_WHITEOUT):
            hidden = name.removeprefix(_WHITEOUT)
            tree.hide(f"{folder}/{hidden}" if folder else hidden, below=True, only=lower)
        else:
            tree.hide(path, below=not member.isdir() and path not in lower, only=lower)
            if member.isreg():
                tree.unpacked += member.size
                tree.files[path] = _kept(tree, archive, member, path)


def _kept(tree: Tree, archive: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> Kept:
    source = archive.extractfile(member)
    if source is None:
        return Kept(member.size)
    if path.endswith(".dist-info/RECORD") and member.size <= _MOST_RECORD:
        tree.records[path] = source.read().decode(errors="replace")
    elif member.size >= COMPARED_FROM:
        state = hashlib.sha256()
        while chunk := source.read(_CHUNK):
            state.update(chunk)
        return Kept(member.size, state.hexdigest())
    return Kept(member.size)


def distributions(tree: Tree) -> dict[str, int]:
    """Return the bytes of each installed Python distribution, `name version` by what its own list names."""
    found = {}
    for path, text in tree.records.items():
        if path not in tree.files:
            continue
        info = PurePosixPath(path).parent
        name = " ".join(info.name.removesuffix(".dist-info").rsplit("-", 1))
        found[name] = sum(_listed(tree, info.parent, text))
    return found


def _listed(tree: Tree, folder: PurePosixPath, text: str) -> Iterable[int]:
    for row in csv.reader(io.StringIO(text)):
        if row and (kept := tree.files.get((folder / row[0]).as_posix())):
            yield kept.size
