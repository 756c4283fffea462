"""Tables of a pipeline's keys for the reference, written from the types and their docstrings."""

from __future__ import annotations

import dataclasses
import inspect
import re
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from plumbline.deployment.core.durations import told
from plumbline.deployment.pipeline import lane_use, parts
from plumbline.deployment.pipeline.closed import key
from plumbline.deployment.pipeline.declaration import Declared
from plumbline.deployment.pipeline.gates.offered import BUILT_IN, Limited

SECTIONS: Mapping[str, type[Any]] = {
    "Top level": Declared,
    "model": parts.Candidate,
    "build and test": parts.Step,
    "evaluation": parts.Evaluated,
    "recent": parts.Recent,
    "Every gate": Limited,
    **{f"Gate {name}": kind for name, (_, kind) in BUILT_IN.items()},
    "Blue-green": parts.BlueGreen,
    "Canary": parts.Canary,
    "Canary steps": parts.CanaryStep,
    "watch": parts.Watch,
    "watch.errors": parts.Errors,
    "watch.latency": parts.Latency,
    "watch.drift": parts.Drift,
    "watch.missing": parts.Missing,
    "watch.business": parts.Business,
    "approval": parts.Approval,
    "lane": lane_use.LaneUse,
    "lane.groups": lane_use.GroupUse,
    "lane.groups.servers": lane_use.ServerUse,
    "lane.workload": lane_use.WorkloadUse,
}
"""Heading of the reference → the type that it describes."""

_ARGUMENT = re.compile(r"^    (\w+): (.*?)(?=^    \w+: |\Z)", re.MULTILINE | re.DOTALL)


def keys_table(kind: type[Any]) -> str:
    """Return a section's keys as a Markdown table."""
    rows = [f"| `{name}` | {value} | {meaning} |" for name, value, meaning in _rows(kind)]
    return "\n".join(["| Key | Without it | Meaning |", "|---|---|---|", *rows]) + "\n"


def _rows(kind: type[Any]) -> Iterator[tuple[str, str, str]]:
    meanings = _meanings(kind)
    for field in dataclasses.fields(kind):
        yield key(field.name), _default(field), meanings[field.name]


def _meanings(kind: type[Any]) -> dict[str, str]:
    text = inspect.cleandoc(kind.__doc__ or "").partition("Args:\n")[2].partition("\n\n")[0] + "\n"
    return {name: " ".join(said.split()).replace("|", "\\|") for name, said in _ARGUMENT.findall(text)}


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
        return "needed"
    value = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
    if dataclasses.is_dataclass(value):
        return "as below"
    if value is None or value in ((), {}):
        return "none"
    if field.name.endswith("_s"):
        length = typing.cast("float", value)
        return f"`{told(length).replace(' ', '') if length >= 1 else f'{length * 1e3:g}ms'}`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"
