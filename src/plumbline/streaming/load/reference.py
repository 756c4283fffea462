"""The scenario file's reference, as Markdown tables made from the models themselves."""

from __future__ import annotations

import inspect
import re
from typing import Any

from annotated_types import Ge, Gt, Le

from plumbline.streaming.load.scenario import Group, Part, Phase, Publish, Scenario, Storm

TABLES: tuple[tuple[str, type[Part]], ...] = (
    ("The file", Scenario),
    ("`[[groups]]`: channels of one kind", Group),
    ("`[[phases]]`: stretches of the run, in order", Phase),
    ("`[[phases.publish]]`: messages into a group", Publish),
    ("`[phases.storm]`: connections that are cut and come back", Storm),
)


def scenario_tables() -> str:
    """Return one table for each table of the file; the documentation page carries them verbatim."""
    return "\n".join(f"### {title}\n\n{_table(model)}" for title, model in TABLES)


def _table(model: type[Part]) -> str:
    meanings = _meanings(model)
    rows = ["| Key | Default | Range | Meaning |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        default = "required" if field.is_required() else _shown(field.default)
        rows.append(f"| `{name}` | {default} | {_range(field)} | {meanings[name]} |")
    return "\n".join(rows) + "\n"


def _shown(value: Any) -> str:
    if value is None or value == ():
        return "none"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _range(field: Any) -> str:
    words = [str(choice) for choice in getattr(field.annotation, "__args__", ()) if isinstance(choice, str)]
    if words:
        return ", ".join(f"`{word}`" for word in words)
    nested = [one for part in getattr(field.annotation, "__args__", ()) for one in getattr(part, "__metadata__", ())]
    limits = [*field.metadata, *(limit for one in nested for limit in getattr(one, "metadata", [one]))]
    low = next((f"{one.ge:g}" for one in limits if isinstance(one, Ge)), None)
    low = next((f"over {one.gt:g}" for one in limits if isinstance(one, Gt)), low)
    high = next((f"{one.le:,.0f}" for one in limits if isinstance(one, Le)), None)
    return f"{low} to {high}" if low and high else ""


def _meanings(model: type[Part]) -> dict[str, str]:
    """Read the attributes' section of the model's docstring."""
    section = inspect.cleandoc(model.__doc__ or "").partition("Attributes:\n")[2]
    found = re.findall(r"^ {4}(\w+): (.+(?:\n {8}.+)*)", section, re.MULTILINE)
    return {name: re.sub(r"\s+", " ", text) for name, text in found}
