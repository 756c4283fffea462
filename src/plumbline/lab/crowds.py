"""A lab's populations: processes of many clients, each with a socket that answers what they saw."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from plumbline.lab.parts.builder import Builder
from plumbline.lab.population import Census, Population
from plumbline.lab.questions import answers, census

if TYPE_CHECKING:
    from plumbline.lab.fault import Topology


class Crowds(Builder):
    """A lab with populations.

    Args:
        topology: What to build.
        lab: The lab's id.
    """

    def __init__(self, topology: Topology, lab: str) -> None:
        super().__init__(topology, lab)
        self._since = 0.0

    @property
    def url(self) -> str:
        """Address that clients use."""
        return self._front.url if self._front else self.main.url

    def populate(self, population: Population) -> None:
        """Send many clients, and return when they have begun.

        Raises:
            LabError: They cannot be started, or the name is taken.
        """
        where = self.part(population.at).url if population.at else self.url
        socket = self._census(population.name)
        plan = self.folder / f"{population.name}.json"
        plan.write_text(json.dumps(asdict(population), indent=1))
        argv = [sys.executable, "-m", "plumbline.lab.clients.population", where, str(socket)]
        self.launch(population.name, [*argv, str(plan)])
        self.until(lambda: answers(socket), f"the population '{population.name}' answers")

    def population(self, name: str, window_s: float = 2.0) -> Census:
        """Return what a population saw in the last seconds, but not before the last `mark`.

        Raises:
            LabError: It does not answer.
        """
        return census(self._census(name), window_s, self._since)

    def disperse(self, name: str) -> None:
        """End a population."""
        self.link.ask("stop", name=name)

    def _census(self, name: str) -> Path:
        return self.folder / f"{name}.sock"
