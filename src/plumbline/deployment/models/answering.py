"""One row asked of a model: its answer, or its refusal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline.deployment.core.errors import DeploymentError
from plumbline.deployment.core.model import Model
from plumbline.deployment.models.preparing import prepare
from plumbline.deployment.models.probing import Probe


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said to a row.

    Args:
        values: By output, without the row's axis; None if it refused.
        refused: The refusal's sentence.
        field: The input it names, if any.
    """

    values: dict[str, NDArray[Any]] | None
    refused: str | None = None
    field: str | None = None

    def plain(self) -> dict[str, Any]:
        """Return what JSON can hold; NaN and infinities as words."""
        if self.values is None:
            return {"refused": self.refused}
        return {name: _plain(value.tolist()) for name, value in self.values.items()}


@dataclass(frozen=True, slots=True)
class Asked:
    """A row and what both models said to it."""

    probe: Probe
    old: Answer
    new: Answer


def ask(model: Model, rows: Sequence[dict[str, Any]]) -> list[Answer]:
    """Ask rows as a caller would, all at once; one by one if a row among them is refused."""
    try:
        answers = model.predict(prepare(model.signature, rows))
    except DeploymentError as error:
        if len(rows) == 1:
            return [Answer(None, error.sentence, error.data.get("field"))]
        return [ask(model, [row])[0] for row in rows]
    return [
        Answer({name: np.asarray(values[number]) for name, values in answers.items()}) for number in range(len(rows))
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value if not isinstance(value, float) or np.isfinite(value) else str(value)
