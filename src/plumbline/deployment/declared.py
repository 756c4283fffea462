"""Files that people write (YAML), read into frozen dataclasses; an error names file and line, and what was meant."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import Field

from plumbline.deployment.core.errors import InvalidError
from plumbline.deployment.pipeline.closed import fit
from plumbline.positions import parse

Value = TypeVar("Value")
Whole = Annotated[int, Field(strict=True)]


def read(path: Path, kind: type[Value]) -> Value:
    """Read a YAML file.

    Args:
        path: The file.
        kind: What it holds: a dataclass with `pipeline.closed.CLOSED`, as all inside it.

    Raises:
        InvalidError: It cannot be read, is no YAML, or holds what does not belong there.
    """
    try:
        located = parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidError(f"{path}: {error.strerror}", path=str(path)) from error
    except UnicodeDecodeError as error:
        raise InvalidError(f"{path}: is no UTF-8 text at byte {error.start}", path=str(path)) from error
    value, wrong = (None, ()) if located.faults else fit(kind, located.data)
    if value is None:
        faults = located.faults or [(located.line(*one.place), one.sentence) for one in wrong]
        line, sentence = faults[0]
        raise InvalidError(f"{path}:{line}: {sentence}", path=str(path), faults=faults)
    return value
