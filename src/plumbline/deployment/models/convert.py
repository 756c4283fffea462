"""scikit-learn to ONNX, in the precision that answers as scikit-learn does; what does not convert is kept by skops.

float32 comes first: it is what scikit-learn's trees compare in and what ONNX Runtime is fastest at. Where it answers
otherwise (a scaler before it, large integers), float64 is tried. What fits neither is not converted, with the reason.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx

from plumbline.deployment.core.errors import DeploymentError
from plumbline.deployment.core.manifest import Format
from plumbline.deployment.core.signature import Signature
from plumbline.deployment.models import parity, skops
from plumbline.deployment.models.onnx import COLUMNS, OnnxModel
from plumbline.deployment.models.parity import Parity
from plumbline.deployment.models.tables import Columns

Precision = Literal["float32", "float64"]
_MATRIX = "inputs"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at converting.

    Args:
        precision: Of the graph's numeric inputs.
        parity: What the comparison found; None if there was nothing to compare.
        reason: Why it was not kept; None if it was.
    """

    precision: Precision
    parity: Parity | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Conversion:
    """What became of an estimator.

    Args:
        format: Of the file.
        path: The file.
        attempts: At ONNX, in order; the last one is the kept one if the format is `onnx`.
    """

    format: Format
    path: Path
    attempts: tuple[Attempt, ...] = ()

    @property
    def kept(self) -> Attempt | None:
        """The attempt that became the file, if any."""
        return next((one for one in self.attempts if one.reason is None), None)

    def sentence(self) -> str:
        """Return it in words."""
        if self.kept is not None and self.kept.parity is not None:
            return f"ONNX with {self.kept.precision} inputs; {self.kept.parity.sentence()}"
        reasons = "; ".join(f"{one.precision}: {one.reason}" for one in self.attempts)
        return f"skops, for ONNX cannot hold it ({reasons})" if reasons else "skops, as asked"


def convert(
    estimator: Any,
    signature: Signature,
    methods: Mapping[str, str],
    sample: Columns,
    folder: Path,
    *,
    format: Format | None = None,  # noqa: A002 (the manifest's word)
    tolerance: float = parity.TOLERANCE,
) -> Conversion:
    """Write an estimator as `model.onnx`, or as `model.skops` where ONNX does not answer as it does.

    Args:
        estimator: Fitted.
        signature: From `inferring.infer`.
        methods: The estimator's method by output name, from `inferring.methods`.
        sample: Rows to compare on, by feature.
        folder: Where the file goes; exists.
        format: Only this one; None takes ONNX where it answers alike.
        tolerance: See `parity`.

    Raises:
        DeploymentError: Only ONNX was asked for and it does not hold the estimator.
        UntrustedError: Neither ONNX nor skops holds it.
    """
    attempts: list[Attempt] = []
    path = folder / "model.onnx"
    for precision in ("float32", "float64") if format != "skops" else ():
        attempt = _attempt(estimator, signature, methods, sample, path, precision, tolerance)
        attempts.append(attempt)
        if attempt.reason is None:
            return Conversion("onnx", path, tuple(attempts))
        path.unlink(missing_ok=True)
    if format == "onnx":
        reasons = "; ".join(f"{one.precision}: {one.reason}" for one in attempts)
        raise DeploymentError(f"{type(estimator).__name__} does not convert to ONNX ({reasons})")
    path = folder / "model.skops"
    skops.dump(skops.Envelope(estimator, tuple(one.name for one in signature.inputs), methods), path)
    return Conversion("skops", path, tuple(attempts))


def _attempt(
    estimator: Any,
    signature: Signature,
    methods: Mapping[str, str],
    sample: Columns,
    path: Path,
    precision: Precision,
    tolerance: float,
) -> Attempt:
    if _splits_on_missing(estimator):
        return Attempt(precision, reason="its trees split on missing values, which ONNX's converter cannot write")
    try:
        graph = _converted(estimator, signature, precision)
        _named(graph, methods, signature)
        path.write_bytes(graph.SerializeToString(deterministic=True))
        found = parity.compare(estimator, methods, OnnxModel(path, signature), sample, tolerance=tolerance)
    except Exception as error:  # noqa: BLE001 (whatever a converter or a runtime dislikes, the answer is another format)
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return Attempt(precision, reason=f"{line[:200]}")
    return Attempt(precision, found, None if found.passed else found.sentence())


def _converted(estimator: Any, signature: Signature, precision: Precision) -> Any:
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, StringTensorType

    number = FloatTensorType if precision == "float32" else DoubleTensorType
    strings = any(one.kind == "string" for one in signature.inputs)
    if strings or _by_name(estimator):
        types = [
            (one.name, StringTensorType([None, 1]) if one.kind == "string" else number([None, 1]))
            for one in signature.inputs
        ]
    else:
        types = [(_MATRIX, number([None, len(signature.inputs)]))]
    last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    options = {id(last): {"zipmap": False}} if hasattr(estimator, "predict_proba") else None
    graph = convert_sklearn(estimator, name="model", initial_types=types, options=options)
    if types[0][0] == _MATRIX:
        entry = graph.metadata_props.add()
        entry.key, entry.value = COLUMNS, json.dumps([one.name for one in signature.inputs])
    return graph


def _by_name(estimator: Any) -> bool:
    """Whether its first step chooses among columns: it is then given each alone."""
    first = estimator.steps[0][1] if hasattr(estimator, "steps") else estimator
    return hasattr(first, "transformers_")


def _splits_on_missing(estimator: Any) -> bool:
    """Whether a tree has a threshold that is no number; skl2onnx 1.20 searches for one beside it without end."""
    last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    members = np.ravel(np.asarray(getattr(last, "estimators_", [last]), dtype=object))
    trees = [one.tree_ for one in members if hasattr(one, "tree_")]
    return any(not np.isfinite(tree.threshold[tree.children_left >= 0]).all() for tree in trees)


def _named(graph: Any, methods: Mapping[str, str], signature: Signature) -> None:
    """Give the graph's outputs the signature's names, and drop those that it does not promise."""
    outputs = graph.graph.output
    del outputs[len(methods) :]
    for number, output in enumerate(signature.outputs):
        old = outputs[number].name
        if old != output.name:
            _rename(graph, output.name, f"{output.name}.inner")
            _rename(graph, old, output.name)
    onnx.checker.check_model(graph)


def _rename(graph: Any, old: str, new: str) -> None:
    for node in graph.graph.node:
        for names in (node.input, node.output):
            for number, name in enumerate(names):
                if name == old:
                    names[number] = new
    for value in graph.graph.output:
        if value.name == old:
            value.name = new
