"""What a file's first bytes, or an archive's names, say that it is: a pickle, or a Git-LFS pointer. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

HEAD_BYTES = 512
"""Bytes from a file's beginning that are enough for all of these."""

ARCHIVE = b"PK\x03\x04"
"""Beginning of a ZIP: skops and PyTorch write such."""

_POINTER = b"version https://git-lfs.github.com/spec/"
_PICKLES = frozenset({".pkl", ".pickle", ".joblib", ".dill", ".cloudpickle", ".pt", ".pth"})
_PICKLE = re.compile(rb"\x80[\x02-\x05]")
_OLD_PICKLE = re.compile(rb"\(lp0|\(dp0|c[\w.]+\n[\w.]+\n")
_PACKED = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"]\x00\x00": "lzma",
    b"\x04\x22\x4d\x18": "lz4",
    b"\x78\x01": "zlib",
    b"\x78\x5e": "zlib",
    b"\x78\x9c": "zlib",
    b"\x78\xda": "zlib",
}


def is_pointer(head: bytes) -> bool:
    """Say whether a file only stands for the one that `git lfs pull` would bring."""
    return head.startswith(_POINTER)


def pointed_size(head: bytes) -> int | None:
    """Return the size in bytes of the file that a pointer stands for, if it says so."""
    size = re.search(rb"^size (\d+)", head, re.MULTILINE)
    return int(size[1]) if size else None


def is_pickle(head: bytes) -> bool:
    """Say whether these bytes begin a pickle of protocol 2 to 5: the opcode PROTO and its number."""
    return _PICKLE.match(head) is not None


def is_old_pickle(head: bytes) -> bool:
    """Say whether they may begin one of protocol 0 or 1: a mark, or a class to import; so may two lines of words."""
    return _OLD_PICKLE.match(head) is not None


def packing(head: bytes) -> str | None:
    """Return what a file is packed with, of the kinds that joblib wraps pickles in."""
    return next((name for start, name in _PACKED.items() if head.startswith(start)), None)


def named_pickle(path: str) -> bool:
    """Say whether a name is one that only pickles bear."""
    return PurePosixPath(path).suffix.lower() in _PICKLES


def pickle_among(names: Iterable[str]) -> str | None:
    """Return the name of a pickle among those of an archive, as `torch.save` writes it."""
    return next((name for name in names if name.lower().endswith((".pkl", ".pickle"))), None)
