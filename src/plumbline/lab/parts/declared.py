"""A file that people write (an experiment, a retraining rule), and that diagnostics are told of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from plumbline.lab.parts.part import Built, Part

if TYPE_CHECKING:
    from plumbline.lab.parts.builder import Builder


@dataclass(frozen=True, slots=True)
class Declared(Part):
    """A file in the lab's folder; `$NAME_FILE` in the environment, `{name.file}` in other parts.

    Args:
        name: Its name, without its end.
        text: What it holds; paths in it are relative to the lab's folder.
        field: Field of `plumbline.evidence.Endpoint` that names it: `experiment`, `retraining`, `trained`.
        suffix: End of the file's name.
    """

    name: str
    text: str
    field: str
    suffix: str = ".yml"

    def build(self, host: Builder) -> DeclaredPart:
        """Return it."""
        return DeclaredPart(host, self)


class DeclaredPart(Built):
    """The file in a lab."""

    def __init__(self, host: Builder, recipe: Declared) -> None:
        self.name = recipe.name
        self.file = host.folder / f"{recipe.name}{recipe.suffix}"
        self._recipe = recipe

    def start(self) -> None:
        """Write it."""
        self.file.write_text(self._recipe.text)

    def environment(self) -> dict[str, str]:
        """Where it is."""
        return {f"{self.name.upper().replace('-', '_')}_FILE": str(self.file)}

    @property
    def target(self) -> Mapping[str, Any]:
        """What diagnostics are told of it."""
        return {self._recipe.field: str(self.file)}
