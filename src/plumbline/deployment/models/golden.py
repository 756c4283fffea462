"""Golden rows: few, chosen where models break, with the answers this version gave when it was registered."""

from __future__ import annotations

from typing import Any

import numpy as np

from plumbline.deployment.core.errors import InvalidError
from plumbline.deployment.core.manifest import Golden
from plumbline.deployment.core.model import Model
from plumbline.deployment.core.signature import Signature
from plumbline.deployment.models.preparing import prepare
from plumbline.deployment.models.probing import probes
from plumbline.deployment.models.tables import Columns

MOST = 64
"""Golden rows are asked at each start and each rehearsal: few enough not to be felt."""


def choose(signature: Signature, sample: Columns, *, most: int = MOST, seed: int = 0) -> dict[str, tuple[Any, ...]]:
    """Return golden inputs: typical rows, then bounds, categories, missing values and features left out.

    Args:
        signature: What may be sent.
        sample: Rows that the model knows, by feature.
        most: Rows at most; of too many boundaries the first are taken.
        seed: Of the choice of typical rows.

    Returns:
        Values by feature. What is missing is None; what is left out is the default.
    """
    rows = [probe.row for probe in probes(signature, sample, seed=seed)][:most]
    return {one.name: tuple(row.get(one.name, one.default) for row in rows) for one in signature.inputs}


def record(model: Model, inputs: dict[str, tuple[Any, ...]], *, tolerance: float = 1e-5) -> Golden:
    """Ask a model its golden rows and keep the answers.

    Args:
        model: Loaded.
        inputs: From `choose`.
        tolerance: Largest absolute difference that will count as the same answer.

    Raises:
        InvalidError: A row is refused, or answered with NaN or an infinity: a contract that allows the row and a model
            that cannot answer it do not belong together.
    """
    answers = model.predict(prepare(model.signature, inputs))
    for name, values in answers.items():
        if values.dtype.kind != "f":
            continue
        bad = ~np.isfinite(values).reshape(len(values), -1).all(axis=1)
        if bad.any():
            row = int(np.argmax(bad))
            sent = {key: column[row] for key, column in inputs.items()}
            raise InvalidError(
                f"output '{name}' of golden row {row} is not finite, and the signature allows that row ({sent}): "
                "handle the value in the pipeline (an imputer), or forbid it in the signature",
                field=name,
                row=row,
            )
    return Golden(inputs, {name: tuple(values.tolist()) for name, values in answers.items()}, tolerance)
