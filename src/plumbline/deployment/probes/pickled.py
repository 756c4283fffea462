"""Which versions of which packages a pickle was written with, read from its opcodes: it is never unpickled."""

from __future__ import annotations

import bz2
import gzip
import lzma
import pickletools
import re
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

MOST_BYTES = 256 << 20
"""Of an unpacked pickle: opcodes of a larger one are read as far as that."""
_RECORDED = re.compile(rb"_sklearn_version.{1,12}?(\d+\.\d+(?:\.\d+)?(?:(?:rc|a|b|\.dev|\.post)\d+)?)", re.DOTALL)
_TEXT = frozenset({"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE", "STRING", "SHORT_BINSTRING"})
_PUT = frozenset({"MEMOIZE", "BINPUT", "LONG_BINPUT", "PUT"})
_GET = frozenset({"BINGET", "LONG_BINGET", "GET"})


@dataclass(frozen=True, slots=True)
class Pickled:
    """What a pickle says of itself.

    Args:
        versions: Versions of scikit-learn, as its estimators recorded them.
        modules: Modules that loading it would import.
        whole: Whether its opcodes were read to the end; joblib puts raw arrays between them.
    """

    versions: frozenset[str]
    modules: frozenset[str]
    whole: bool


def read(path: Path) -> Pickled:
    """Read the opcodes of a pickle, plain, packed as joblib does, or in an archive as torch.save writes.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no pickle.
    """
    content = _unpacked(path)
    if content[:1] not in (b"\x80", b"c", b"(", b"]", b"}"):
        raise ValueError("its first byte begins no pickle")
    modules, whole = _modules(content)
    if not modules and not whole:
        raise ValueError("its opcodes are none of a pickle")
    return Pickled(frozenset(one.decode() for one in _RECORDED.findall(content)), frozenset(modules), whole)


def _modules(content: bytes) -> tuple[set[str], bool]:
    """Follow the opcodes with a memo of texts: the module's name is the text before the last one."""
    found: set[str] = set()
    memo: dict[int, str] = {}
    texts = ["", ""]
    latest = ""
    try:
        for operation, argument, _ in pickletools.genops(content):
            name = operation.name
            if name in _TEXT:
                latest = str(argument)
                texts = [texts[1], latest]
            elif name in _PUT:
                memo[len(memo) if argument is None else int(str(argument))] = latest
            elif name in _GET and (known := memo.get(int(str(argument)))):
                texts = [texts[1], known]
            elif name == "GLOBAL":
                found.add(str(argument).split(" ")[0])
            elif name == "STACK_GLOBAL":
                found.add(texts[0])
            if name not in _TEXT and name not in _PUT:
                latest = ""
    except ValueError:  # raw bytes of an array: what follows is not read as opcodes
        return found - {""}, False
    return found - {""}, True


def _unpacked(path: Path) -> bytes:
    with path.open("rb") as file:
        head = file.read(8)
        file.seek(0)
        if head[:1] == b"\x78":
            return zlib.decompressobj().decompress(file.read(MOST_BYTES), MOST_BYTES)
    if head.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(path) as archive:
            name = next((one for one in archive.namelist() if one.endswith((".pkl", ".pickle"))), None)
            if name is None:
                raise ValueError("an archive without a pickle")
            with archive.open(name) as inner:
                return inner.read(MOST_BYTES)
    openers = ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ", lzma.open), (b"]\0\0", lzma.open))
    opener = next((opener for start, opener in openers if head.startswith(start)), None)
    with opener(path) if opener else path.open("rb") as packed:
        return bytes(packed.read(MOST_BYTES))
