"""Gate `parity`: does the artefact answer what the model answered in the framework that trained it?

The training writes down rows and the framework's own answers (`record`); the file travels inside the artefact.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import ConfigDict

from plumbline.deployment.core.errors import InvalidError
from plumbline.deployment.core.gates import Side, Situation
from plumbline.deployment.core.model import Arrays
from plumbline.deployment.core.verdicts import Outcome, Verdict
from plumbline.deployment.pipeline.closed import CLOSED, Count, Name, Positive, settings

RECORDED = "parity.npz"
"""Name of the file in the artefact."""


@dataclass(frozen=True, slots=True)
class ParitySettings:
    """Settings of the gate `parity`.

    Args:
        recorded: File in the artefact with rows and the training framework's answers.
        tolerance: Largest difference of a number, absolute below 1 and relative above.
        rows: Fewer recorded rows than this show too little.
    """

    __pydantic_config__: ClassVar[ConfigDict] = CLOSED
    recorded: Name = RECORDED
    tolerance: Positive = 1e-5
    rows: Count = 20


def record(path: Path, inputs: Mapping[str, ArrayLike], outputs: Mapping[str, ArrayLike]) -> None:
    """Write rows and the answers of the framework that trained the model; for training scripts.

    Args:
        path: `parity.npz` in the folder of the candidate.
        inputs: By feature name, `(n_rows, *shape)`.
        outputs: What the framework itself answered, by output name of the signature.
    """
    arrays = {f"in:{name}": _plain(values) for name, values in inputs.items()}
    arrays |= {f"out:{name}": _plain(values) for name, values in outputs.items()}
    np.savez(path, allow_pickle=False, **arrays)


def read(path: Path) -> tuple[Arrays, Arrays]:
    """Return recorded rows and answers.

    Raises:
        InvalidError: The file is no such record, or would run code when read.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
        raise InvalidError(f"{path} holds no recorded answers: {error}", path=str(path)) from error
    inputs = {name[3:]: _objects(values) for name, values in arrays.items() if name.startswith("in:")}
    outputs = {name[4:]: _objects(values) for name, values in arrays.items() if name.startswith("out:")}
    return inputs, outputs


def parity(situation: Situation) -> tuple[Verdict]:
    """Answer the recorded rows with the artefact, and the golden rows; compare every output."""
    chosen = settings(ParitySettings, situation.settings, "gate parity")
    side = situation.candidate
    path = side.folder / chosen.recorded
    if not path.is_file():
        sentence = (
            f"the artefact has no '{chosen.recorded}': nobody wrote down what the training framework answered; "
            "see `plumbline.deployment.pipeline.gates.parity.record`"
        )
        return (Verdict("parity", Outcome.INCONCLUSIVE, sentence, {"rows": 0}),)
    inputs, expected = read(path)
    return (_judged(side, inputs, expected, chosen),)


def worst(expected: Arrays, answered: Arrays) -> dict[str, float]:
    """Return the largest difference per output.

    Of numbers it is absolute below 1 and relative above, of labels the share that differs. An output that is missing,
    has another shape, or is finite on one side only is infinitely far off.
    """
    return {name: _worst(values, answered.get(name)) for name, values in expected.items()}


def _judged(side: Side, inputs: Arrays, expected: Arrays, chosen: ParitySettings) -> Verdict:
    rows = min((len(values) for values in inputs.values()), default=0)
    absent = [one.name for one in side.manifest.signature.outputs if one.name not in expected]
    measured: dict[str, Any] = {"rows": rows, "tolerance": chosen.tolerance}
    if absent:
        sentence = f"no answers of the training framework are recorded for output '{absent[0]}'"
        return Verdict("parity", Outcome.INCONCLUSIVE, sentence, measured)
    if rows == 0:
        return Verdict("parity", Outcome.INCONCLUSIVE, "the record holds no row", measured)
    found = worst(expected, side.model.predict(inputs))
    name = max(found, key=lambda one: found[one])
    largest = found[name]
    measured |= {"largest": largest if np.isfinite(largest) else str(largest), "output": name}
    told = f"largest difference to the training framework {largest:.2g} (output '{name}', {rows} rows)"
    if not largest <= chosen.tolerance:
        return Verdict("parity", Outcome.FAIL, f"{told}, at most {chosen.tolerance:g}", measured)
    if rows < chosen.rows:
        return Verdict("parity", Outcome.INCONCLUSIVE, f"{told}; at least {chosen.rows} rows are needed", measured)
    return Verdict("parity", Outcome.PASS, f"{told}, at most {chosen.tolerance:g}", measured)


def _worst(expected: NDArray[np.generic], answered: NDArray[np.generic] | None) -> float:
    if answered is None or answered.shape != expected.shape:
        return float("inf")
    if expected.dtype.kind not in "fiu" or answered.dtype.kind not in "fiu":
        return float(np.mean(expected.astype(str) != answered.astype(str))) if expected.size else 0.0
    was, now = expected.astype(np.float64), answered.astype(np.float64)
    same = (was == now) | (np.isnan(was) & np.isnan(now))
    with np.errstate(invalid="ignore"):
        apart = np.where(same, 0.0, np.abs(was - now) / np.maximum(1.0, np.abs(was)))
    return float(np.nan_to_num(apart, nan=np.inf, posinf=np.inf).max(initial=0.0))


def _plain(values: ArrayLike) -> NDArray[Any]:
    """Return an array without Python objects: those could only be stored as pickle."""
    array = np.asarray(values)
    return array.astype(str) if array.dtype.kind == "O" else array


def _objects(values: NDArray[Any]) -> NDArray[np.generic]:
    return values.astype(object) if values.dtype.kind == "U" else values
