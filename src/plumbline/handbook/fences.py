"""Executable fences of a guide: its fix steps, and the decoys that the proof executes as a control."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["fix", "decoy"]
_OPEN = re.compile(r"^(?P<indent>[ \t]*)(?P<fence>`{3,}|~{3,})(?P<info>[^\n`]*)$", re.MULTILINE)
_ATTRIBUTE = re.compile(
    r"""\.(?P<class>[\w-]+)|\#(?P<id>[\w.-]+)|(?P<key>[\w-]+)=(?:"[^"]*"|'[^']*'|\S+)|(?P<other>\S+)"""
)
_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_KINDS = ("fix", "decoy")
_EXTRA = "extra"
_BARE = re.compile(r"\.(?:fix|decoy|extra)\b")
_MISSPELT = re.compile(r"fix\w+|decoy\w+|\w*fix|\w*decoy")
_SHELLS = ("bash", "sh", "shell")


@dataclass(frozen=True, slots=True)
class Step:
    """One executable fence.

    Args:
        id: Its `#id`, unique in the guide.
        kind: `fix` or `decoy`.
        code: The shell code, without the fence's indentation.
        line: Line of the opening fence, from 1.
        extra: A step of the fix that heals nothing by itself: relief, making sure, prevention. The proof executes it,
            and the fix works without it.
    """

    id: str
    kind: Kind
    code: str
    line: int
    extra: bool = False


@dataclass(frozen=True, slots=True)
class Fence:
    """Any fence: where it stands, what its first line says, and its content (None: it is never closed).

    Args:
        start: Offset of the opening line.
        end: Offset behind the closing line.
        line: Line of the opening fence, from 1.
        info: What follows the opening marks, stripped.
        code: The content, without the fence's indentation.
    """

    start: int
    end: int
    line: int
    info: str
    code: str | None


class FenceError(ValueError):
    """Executable fences are malformed.

    Args:
        faults: (line, sentence) of each.
    """

    def __init__(self, faults: list[tuple[int, str]]) -> None:
        self.faults = faults
        super().__init__("; ".join(f"line {line}: {sentence}" for line, sentence in faults))


def fences(text: str) -> list[Fence]:
    """Return all fences in page order; what stands inside of a fence is no fence."""
    found: list[Fence] = []
    position, line, counted = 0, 1, 0
    while opening := _OPEN.search(text, position):
        line += text.count("\n", counted, opening.start())
        counted = opening.start()
        indent, mark = opening["indent"], opening["fence"]
        closing = re.compile(rf"^{re.escape(indent)}{mark}[ \t]*$", re.MULTILINE).search(text, opening.end() + 1)
        info = opening["info"].strip()
        if closing is None or opening.end() == len(text):
            found.append(Fence(opening.start(), opening.end(), line, info, None))
            position = opening.end()
            continue
        content = text[opening.end() + 1 : closing.start()]
        code = "".join(row.removeprefix(indent) for row in content.splitlines(keepends=True)) if indent else content
        found.append(Fence(opening.start(), closing.end(), line, info, code))
        position = closing.end()
    return found


def scan(text: str) -> tuple[list[Step], list[tuple[int, str]]]:
    """Return the executable fences of a guide, and (line, sentence) for each that is malformed."""
    return scan_fences(fences(text))


def scan_fences(found: list[Fence]) -> tuple[list[Step], list[tuple[int, str]]]:
    """Do as `scan` does, for fences that were found already."""
    steps: list[Step] = []
    faults: list[tuple[int, str]] = []
    first: dict[str, int] = {}
    for fence in found:
        if fence.code is None:
            faults.append((fence.line, "fence is never closed: the closing marks stand as deep as the opening ones"))
            continue
        kind, name, fault = _read(fence.info)
        if kind is None and fault is None:
            continue
        if fault is None and not fence.code.strip():
            fault = f"fence '{name}' is empty"
        if fault is None and name in first:
            fault = f"fence id '{name}' is used twice, first on line {first[name]}"
        if fault is not None:
            faults.append((fence.line, fault))
        elif kind is not None:
            first[name] = fence.line
            steps.append(Step(name, kind, fence.code, fence.line, extra=_EXTRA in _classes(fence.info)))
    return steps, faults


def steps(text: str) -> list[Step]:
    """Return the `.fix` and `.decoy` fences of a guide in page order.

    Args:
        text: The whole guide, front matter included (lines count from its first).

    Raises:
        FenceError: A fence has no id, an id that is used twice, no code, no end, or is no shell code.
    """
    found, faults = scan(text)
    if faults:
        raise FenceError(faults)
    return found


def fence_id(info: str) -> str | None:
    """Return the `#id` of a fence's first line, if it has one."""
    if not info.startswith("{"):
        return None
    return next((part["id"] for part in _ATTRIBUTE.finditer(info.strip("{} \t")) if part["id"]), None)


def _read(info: str) -> tuple[Kind | None, str, str | None]:
    """Return (kind, id, fault) of a fence's first line; no kind and no fault means a plain fence."""
    if not info.startswith("{"):
        bare = _BARE.search(info)
        return None, "", f"'{bare[0]}' has no effect outside of braces: write ``` {{.bash .fix #id}}" if bare else None
    parts = list(_ATTRIBUTE.finditer(info.strip("{} \t")))
    classes = _classes(info)
    kinds = [kind for kind in _KINDS if kind in classes]
    if _EXTRA in classes and "fix" not in kinds:
        return None, "", "only a step of the fix can be .extra: write ``` {.bash .fix .extra #id}"
    if not kinds:
        near = next((name for name in classes if _MISSPELT.fullmatch(name)), None)
        return None, "", f"unknown fence class '{near}'; did you mean 'fix' or 'decoy'?" if near else None
    if len(kinds) > 1:
        return None, "", "a fence is either .fix or .decoy, not both"
    ids = [part["id"] for part in parts if part["id"]]
    kind: Kind = "fix" if kinds == ["fix"] else "decoy"
    return kind, ids[0] if ids else "", _fault(kind, ids, classes, info)


def _classes(info: str) -> list[str]:
    return [part["class"] for part in _ATTRIBUTE.finditer(info.strip("{} \t")) if part["class"]]


def _fault(kind: Kind, ids: list[str], classes: list[str], info: str) -> str | None:
    if not info.endswith("}"):
        return f"the braces of '{info}' are not closed"
    if len(ids) != 1:
        return f"a .{kind} fence has one id: ``` {{.bash .{kind} #{kind}-…}}"
    if not _ID.fullmatch(ids[0]):
        return f"fence id '{ids[0]}' is not in lower case with hyphens"
    if not any(name in _SHELLS for name in classes):
        return f"fence '{ids[0]}' is executed with bash: write ``` {{.bash .{kind} #{ids[0]}}}"
    return None
