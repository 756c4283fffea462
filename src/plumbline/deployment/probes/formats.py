"""What is wrong with a model file, seen from its own bytes. Nothing is loaded, so nothing that it holds is run."""

from __future__ import annotations

import json
import struct
import zipfile
from pathlib import Path
from typing import BinaryIO

from plumbline.deployment.core.errors import DeploymentError
from plumbline.deployment.models.recognising import examine

NO_PICKLE = frozenset({".onnx", ".skops", ".safetensors", ".gguf", ".h5", ".keras", ".npz", ".pb", ".tflite", ".json"})
"""Names that promise a format of data alone."""
_KINDS = {"lfs_pointer": "lfs-pointer", "page": "web-page", "empty": "empty", "pickle": "pickle"}
_MOST_FIELDS = 100_000
_LONGEST_VARINT = 10
_LONGEST_HEADER = 100 << 20
"""Bytes; safetensors itself refuses longer ones."""
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types of Protocol Buffers


def flaw(path: Path, name: str) -> str | None:
    """Return what a file is instead of what its name promises, None if nothing is seen.

    Args:
        path: Where it lies.
        name: What it is called; a blob's path does not say it.

    Returns:
        `empty`, `lfs-pointer`, `web-page`, `pickle`, or `truncated`: it ends within something that it announces.

    Raises:
        OSError: It cannot be read.
    """
    suffix = Path(name).suffix.lower()
    try:
        examine(path)
    except zipfile.BadZipFile:
        return "truncated"
    except DeploymentError as error:
        kind = _KINDS.get(str(error.data.get("cause")))
        if kind != "pickle" or suffix in NO_PICKLE:
            return kind
    return "truncated" if _short(path, suffix) else None


def _short(path: Path, suffix: str) -> bool:
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(8)
        if head.startswith(b"PK\x03\x04"):
            return not zipfile.is_zipfile(path)
        if suffix == ".safetensors":
            return _tensors_short(file, head, size)
        if suffix == ".onnx":
            file.seek(0)
            return _fields_short(file, size)
    return False


def _tensors_short(file: BinaryIO, head: bytes, size: int) -> bool:
    """A header says where the last tensor ends."""
    (length,) = struct.unpack("<Q", head.ljust(8, b"\0"))
    if 8 + length > size:
        return True
    if length > _LONGEST_HEADER:
        return False
    try:
        tensors = json.loads(file.read(length))
        ends = [one["data_offsets"][1] for name, one in tensors.items() if name != "__metadata__"]
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return False
    return bool(8 + length + max(ends, default=0) > size)


def _fields_short(file: BinaryIO, size: int) -> bool:
    """The outermost fields of a protobuf message follow each other up to its end; each says how long it is."""
    for _ in range(_MOST_FIELDS):
        if file.tell() >= size:
            return file.tell() > size
        key = _varint(file)
        if key is None:
            return True
        wire = key & 7
        length = _varint(file) if wire in (_VARINT, _BYTES) else {_FIXED64: 8, _FIXED32: 4}.get(wire, -1)
        if length is None:
            return True
        if length < 0:
            return False  # no protobuf: that is another flaw than being cut short
        if wire != _VARINT:
            file.seek(length, 1)
    return False


def _varint(file: BinaryIO) -> int | None:
    value = 0
    for place in range(_LONGEST_VARINT):
        byte = file.read(1)
        if not byte:
            return None
        value |= (byte[0] & 0x7F) << (7 * place)
        if byte[0] < 0x80:
            return value
    return value
