"""Which shared libraries a Linux binary asks for, read from its own bytes: nothing is run to find out.

Layout of the file: System V ABI, chapter 5 ("Dynamic Linking"); 64 bit, little endian: x86-64 and AArch64.
"""

from __future__ import annotations

import struct

_MAGIC = b"\x7fELF\x02\x01"
_LOAD, _DYNAMIC = 1, 2
_NEEDED, _STRTAB, _RPATH, _RUNPATH = 1, 5, 15, 29
_INTERP = 3


def is_binary(head: bytes) -> bool:
    """Whether a file that begins so is a 64-bit ELF file."""
    return head.startswith(_MAGIC)


def needed(data: bytes) -> list[str]:
    """Return the names of the libraries that must be loaded with it (`DT_NEEDED`), empty for anything else."""
    return _strings(data, {_NEEDED})


def search(data: bytes) -> list[str]:
    """Return the folders where it wants them looked for first (`DT_RUNPATH`, `DT_RPATH`); `$ORIGIN` is its own."""
    return [folder for text in _strings(data, {_RUNPATH, _RPATH}) for folder in text.split(":") if folder]


def interpreter(data: bytes) -> str | None:
    """Return the path of the dynamic loader that a program asks for (`PT_INTERP`), None if it asks for none."""
    if not is_binary(data):
        return None
    for kind, offset, _, size in _segments(data):
        if kind == _INTERP:
            return data[offset : offset + size].rstrip(b"\0").decode()
    return None


def _strings(data: bytes, wanted: set[int]) -> list[str]:
    if not is_binary(data):
        return []
    try:
        segments = _segments(data)
        tags = _tags(data, segments)
        table = _offset(next(value for tag, value in tags if tag == _STRTAB), segments)
        return [_text(data, table + value) for tag, value in tags if tag in wanted]
    except (struct.error, StopIteration, ValueError):
        return []


def _segments(data: bytes) -> list[tuple[int, int, int, int]]:
    (at,) = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    found = []
    for number in range(count):
        kind, _, offset, address, _, length = struct.unpack_from("<IIQQQQ", data, at + number * size)
        found.append((kind, offset, address, length))
    return found


def _tags(data: bytes, segments: list[tuple[int, int, int, int]]) -> list[tuple[int, int]]:
    _, offset, _, size = next(one for one in segments if one[0] == _DYNAMIC)
    return [struct.unpack_from("<QQ", data, offset + at) for at in range(0, size - 15, 16)]


def _offset(address: int, segments: list[tuple[int, int, int, int]]) -> int:
    for kind, offset, start, size in segments:
        if kind == _LOAD and start <= address < start + size:
            return offset + address - start
    raise ValueError(address)


def _text(data: bytes, at: int) -> str:
    return data[at : data.index(b"\0", at)].decode()
