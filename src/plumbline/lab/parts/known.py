"""Questions with known answers, for servers that bring their model along: no registry is needed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from plumbline.lab.churn import MODEL, asks
from plumbline.lab.parts.part import Built, Part
from plumbline.lab.service import Asked

if TYPE_CHECKING:
    from plumbline.lab.parts.builder import Builder


@dataclass(frozen=True, slots=True)
class Known(Part):
    """A file of golden questions; `$NAME_GOLDEN` in the environment.

    Args:
        asks: The questions with their answers.
        name: Its name in the lab.
    """

    asks: tuple[Asked, ...] = field(default_factory=asks)
    name: str = "known"

    def build(self, host: Builder) -> KnownPart:
        """Return it."""
        return KnownPart(host, self)


class KnownPart(Built):
    """The file in a lab."""

    def __init__(self, host: Builder, recipe: Known) -> None:
        self.name = recipe.name
        self.golden = host.folder / f"{recipe.name}.json"
        self._recipe = recipe

    def start(self) -> None:
        """Write it."""
        self.golden.write_text(json.dumps([{"body": one.body, "expect": one.expect} for one in self._recipe.asks]))

    def environment(self) -> dict[str, str]:
        """Where it is."""
        return {f"{self.name.upper().replace('-', '_')}_GOLDEN": str(self.golden)}

    @property
    def target(self) -> Mapping[str, Any]:
        """What diagnostics are told of it."""
        return {"model": MODEL, "golden": str(self.golden)}
