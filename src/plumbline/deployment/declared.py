"""Files that people write (YAML), read into typed values; an error names the file, the place and what was meant."""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from plumbline.deployment.core.errors import InvalidError

Kind = TypeVar("Kind", bound=msgspec.Struct)
_UNKNOWN = re.compile(r"unknown field `([^`]*)`")


class Closed(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A part of a file; keys that it does not have are errors."""


def read(path: Path, kind: type[Kind], *parts: type[msgspec.Struct]) -> Kind:
    """Read a YAML file.

    Args:
        path: The file.
        kind: What it holds.
        parts: What may stand inside, so that a misspelt key can be told from the right one.

    Raises:
        InvalidError: It cannot be read, is no YAML, or holds what does not belong there.
    """
    try:
        found: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidError(f"{path}: {error.strerror}", path=str(path)) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidError(f"{path}: {' '.join(str(error).split())}", path=str(path)) from error
    try:
        return msgspec.convert(found, kind)
    except msgspec.ValidationError as error:
        raise InvalidError(f"{path}: {error}{_meant(str(error), (kind, *parts))}", path=str(path)) from error


def _meant(said: str, kinds: tuple[type[msgspec.Struct], ...]) -> str:
    found = _UNKNOWN.search(said)
    known = sorted({field.encode_name for kind in kinds for field in msgspec.structs.fields(kind)})
    near = get_close_matches(found[1], known, n=1) if found else []
    return f". Did you mean '{near[0]}'?" if near else ""
