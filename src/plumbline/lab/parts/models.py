"""A registry with versions of the lab's model, and requests whose answers are known."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from plumbline.lab.churn import MODEL, Version, asks
from plumbline.lab.errors import LabError
from plumbline.lab.parts.part import Built, Part
from plumbline.lab.service import Asked

if TYPE_CHECKING:
    from plumbline.lab.parts.builder import Builder

_LONGEST_S = 120.0


@dataclass(frozen=True, slots=True)
class Models(Part):
    """A registry that holds versions of `plumbline.lab.churn`, registered as users register theirs.

    Args:
        versions: In the order of registering; the registry computes their numbers.
        asks: The golden questions; empty: one for each customer, with the first version's answers.
        name: Its folder in the lab's; `MODELS_REGISTRY` in the environment, `{models.registry}` in other parts.
    """

    versions: tuple[Version, ...] = (Version(),)
    asks: tuple[Asked, ...] = ()
    name: str = "models"

    def build(self, host: Builder) -> ModelsPart:
        """Return it."""
        return ModelsPart(host, self)


class ModelsPart(Built):
    """The registry. `golden` is a file with questions and their right answers."""

    def __init__(self, host: Builder, recipe: Models) -> None:
        self.name = recipe.name
        self.registry = host.folder / recipe.name
        self.golden = host.folder / f"{recipe.name}-golden.json"
        self.numbers: tuple[str, ...] = ()
        self._recipe = recipe

    def start(self) -> None:
        """Register the versions.

        Raises:
            LabError: The registry takes one of them not, or not in time.
        """
        told = json.dumps([asdict(one) for one in self._recipe.versions])
        argv = [sys.executable, "-m", "plumbline.lab.servers.models", str(self.registry), told]
        try:
            done = subprocess.run(argv, capture_output=True, text=True, timeout=_LONGEST_S, check=False)
        except subprocess.TimeoutExpired:
            raise LabError(f"the lab's models are not registered: it took longer than {_LONGEST_S:g} s") from None
        if done.returncode != 0:
            raise LabError(f"the lab's models are not registered: {done.stderr.strip().splitlines()[-1:]}")
        self.numbers = tuple(json.loads(done.stdout))
        known = [
            {"body": one.body, "expect": one.expect} for one in self._recipe.asks or asks(self._recipe.versions[0])
        ]
        self.golden.write_text(json.dumps(known))

    def environment(self) -> dict[str, str]:
        """Where the registry is, and the model's name."""
        word = self.name.upper().replace("-", "_")
        return {f"{word}_REGISTRY": str(self.registry), f"{word}_MODEL": MODEL}

    @property
    def target(self) -> Mapping[str, Any]:
        """What diagnostics are told of it."""
        return {"model": MODEL, "registry": str(self.registry), "golden": str(self.golden)}
