"""YAML with positions: plain data, and the line on which each key stands."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

import yaml

try:
    from yaml import CSafeLoader as _Loader
except ImportError:  # pragma: no cover - PyYAML built without libyaml
    from yaml import SafeLoader as _Loader  # type: ignore[assignment]  # same interface, slower

Path = tuple[str | int, ...]
_PREFIX = "tag:yaml.org,2002:"
_STR, _MAP, _SEQ = _PREFIX + "str", _PREFIX + "map", _PREFIX + "seq"
_SCALARS = yaml.constructor.SafeConstructor
_RESOLVE = yaml.resolver.Resolver


@dataclass(slots=True)
class Located:
    """Plain data of a YAML text, with the line of every key and item.

    Args:
        data: Dicts, lists and scalars; None when the text cannot be read.
        lines: Path of keys and indices → line, from 1.
        faults: (line, sentence) of what YAML allows and we do not, or of the syntax error.
    """

    data: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    faults: list[tuple[int, str]] = field(default_factory=list)

    def line(self, *path: str | int) -> int:
        """Return the line of the nearest known ancestor of a path."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def parse(text: str, first_line: int = 1) -> Located:
    """Read one YAML document.

    Args:
        text: The document.
        first_line: The line of the file on which the text begins.
    """
    located = Located()
    try:
        node = yaml.compose(text, Loader=_Loader)
        if node is not None:
            located.data = _Walk(located, first_line).value(node, ())
    except yaml.YAMLError as error:
        last = text.rstrip().count("\n")  # what is never closed is noticed behind the end
        located.faults.append((first_line + min(_line_of(error), last), f"is no YAML: {_said(error)}"))
    except (RecursionError, UnicodeError) as error:
        located.faults.append((first_line, f"is no YAML that can be read: {type(error).__name__}"))
    located.lines.setdefault((), first_line)
    return located


def _line_of(error: yaml.YAMLError) -> int:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    return mark.line if mark else 0


def _said(error: yaml.YAMLError) -> str:
    return str(getattr(error, "problem", None) or getattr(error, "reason", None) or error).split("\n")[0]


class _Walk:
    """Turns composed nodes into data; refuses aliases (they can nest without end), tags, and keys given twice."""

    def __init__(self, located: Located, first_line: int) -> None:
        self.located = located
        self.first = first_line
        self.seen: set[int] = set()
        self.scalars = _SCALARS()
        self.resolver = _RESOLVE()

    def value(self, node: yaml.Node, path: Path) -> Any:
        line = self.first + node.start_mark.line
        self.located.lines.setdefault(path, line)
        if isinstance(node, yaml.ScalarNode):
            return node.value if node.tag == _STR else self._scalar(node, line)
        if id(node) in self.seen:
            self._fault(line, "an alias (*name) is not used here: write the value out")
            return None
        self.seen.add(id(node))
        if node.tag not in (_MAP, _SEQ):
            self._fault(line, f"the tag '{node.tag.replace(_PREFIX, '!!')}' is not used here")
            return None
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._mapping(node, path)

    def _mapping(self, node: yaml.Node, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = self.first + key_node.start_mark.line
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if not isinstance(key, str):
                self._fault(line, "a key is one word, not a list or a mapping")
            elif key in result:
                self._fault(line, f"key '{key}' is given twice")
            else:
                self.located.lines[(*path, key)] = line
                result[key] = self.value(value_node, (*path, key))
        return result

    def _scalar(self, node: yaml.ScalarNode, line: int) -> Any:
        if node.style or self._implicit(node.value) != node.tag:
            self._fault(line, f"the tag '{node.tag.replace(_PREFIX, '!!')}' is not used here")
            return None
        try:
            value: Hashable = self.scalars.construct_object(node)
        except (ValueError, yaml.YAMLError):
            self._fault(line, f"'{node.value}' is neither a number nor a date; put it in quotes if it is text")
            return None
        return value

    def _implicit(self, value: str) -> str:
        tag: str = self.resolver.resolve(yaml.ScalarNode, value, (True, False))  # type: ignore[no-untyped-call]  # no stub
        return tag

    def _fault(self, line: int, sentence: str) -> None:
        self.located.faults.append((line, sentence))
