"""The page of all evidence records: a unit per field, who may see it, and where it is read."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
import re
import typing
from collections.abc import Iterable, Iterator
from typing import Any

from plumbline.diagnosis.catalogue import Diagnostic
from plumbline.evidence import Source
from plumbline.handbook.pages.markdown import anchor, escaped, page, table

_PACKAGES = ("plumbline.streaming", "plumbline.host")
_INTRODUCTION = """\
A diagnostic's parameters name the records it judges. Units are UCUM codes: `s`, `By`, `1` for a ratio or a flag,
`{connection}` for a count. A *public* field may be printed anywhere, an *internal* one becomes a pseudonym in a bundle,
a *secret* one never leaves the machine.
"""
_FIELD = re.compile(r"\{(\w+)\}")


def evidence_page(diagnostics: Iterable[Diagnostic]) -> str:
    """Return the page, over the records of all components and those that diagnostics need."""
    found = list(diagnostics)
    needed = [need.evidence for one in found if one.judge for need in one.judge.needs]
    types_ = sorted({*_declared(), *needed}, key=lambda one: (one.__module__, one.__name__))
    index = table(["Record", "What it holds"], ([_link(one), _first_line(one)] for one in types_))
    return page(
        "Evidence",
        "Every evidence record: a unit per field, and the sources it is read from.",
        _INTRODUCTION,
        index,
        *(part for one in types_ for part in _record(one, found)),
    )


def _declared() -> Iterator[type[Any]]:
    """Yield the records that components end in: dataclasses with sources."""
    for package in _PACKAGES:
        parent = importlib.import_module(package)
        names = [name for _, name, _ in pkgutil.iter_modules(parent.__path__)]
        wanted = ["evidence"] if "evidence" in names else names
        for name in wanted:
            module = importlib.import_module(f"{package}.{name}")
            for value in vars(module).values():
                if isinstance(value, type) and value.__module__ == module.__name__ and _is_record(value):
                    yield value


def _is_record(value: type[Any]) -> bool:
    return dataclasses.is_dataclass(value) and isinstance(getattr(value, "sources", None), tuple)


def _record(found: type[Any], diagnostics: list[Diagnostic]) -> list[str]:
    judged = [one.id for one in diagnostics if one.judge and found in [need.evidence for need in one.judge.needs]]
    by = ", ".join(f"[`{name}`](diagnostics.md#{anchor(name)})" for name in judged)
    nested = [inner for field in dataclasses.fields(found) for inner in _nested(found, field.name)]
    parts = [
        f"## {found.__name__} {{#{anchor(found.__name__)}}}",
        escaped(_doc(found)),
        _fields(found),
        _sources(found.sources),
        f"Judged by {by}." if by else "",
        f"Import: `from {found.__module__} import {found.__name__}`",
    ]
    for inner in nested:
        parts += [
            f"### {inner.__name__} {{#{anchor(found.__name__)}-{anchor(inner.__name__)}}}",
            escaped(_doc(inner)),
            _fields(inner),
        ]
    return parts


def _fields(found: type[Any]) -> str:
    rows = [
        [
            f"`{one.name}`",
            _unit(one),
            escaped(str(one.metadata.get("doc", ""))),
            str(one.metadata.get("secrecy", "public")),
        ]
        for one in dataclasses.fields(found)
    ]
    return table(["Field", "Unit", "Meaning", "Who may see it"], rows)


def _unit(found: dataclasses.Field[Any]) -> str:
    unit = found.metadata.get("unit", "")
    return f"`{unit}`" if unit else ""


def _sources(sources: tuple[Source, ...]) -> str:
    rows = [
        [
            str(place),
            ", ".join(f"`{name}`" for name in sorted(one.needs)) or "this machine",
            escaped(_FIELD.sub(r"<\1>", one.reads)),
            f"{one.window_s:g} s" if one.window_s else "a snapshot",
        ]
        for place, one in enumerate(sources, 1)
    ]
    return table(["Order", "The target gives", "Reads", "Watches"], rows)


def _nested(owner: type[Any], name: str) -> list[type[Any]]:
    hint = typing.get_type_hints(owner).get(name)
    return [inner for inner in _parts(hint) if dataclasses.is_dataclass(inner)]


def _parts(hint: Any) -> list[type[Any]]:
    arguments = typing.get_args(hint)
    if not arguments:
        return [hint] if isinstance(hint, type) else []
    return [inner for argument in arguments for inner in _parts(argument)]


def _link(found: type[Any]) -> str:
    return f"[`{found.__name__}`](#{anchor(found.__name__)})"


def _doc(found: type[Any]) -> str:
    import inspect

    return (inspect.getdoc(found) or "").partition("\nArgs:")[0].strip()


def _first_line(found: type[Any]) -> str:
    return escaped(_doc(found).partition("\n")[0])
