"""Models as ONNX graphs, run by ONNX Runtime on the CPU. A graph is data: loading it runs no code of its author."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from plumbline.deployment.core.errors import CorruptError, DeploymentError, InvalidError, UnavailableError
from plumbline.deployment.core.model import Arrays, Table
from plumbline.deployment.core.signature import Signature
from plumbline.deployment.models.values import DTYPES

COLUMNS = "plumbline.columns"
"""Key of the graph's metadata: a JSON list of the features' names in the order of its single input's columns."""

_TYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(int16)": np.int16,
    "tensor(int8)": np.int8,
    "tensor(uint8)": np.uint8,
    "tensor(bool)": np.bool_,
    "tensor(string)": object,
}
_QUIET = 3
_MATRIX = 2


class OnnxModel:
    """A graph in memory. Threads may call `predict` side by side: the session is made for that.

    Args:
        path: The graph.
        signature: What callers send and get.
        digest: Of the manifest.
        threads: For one batch, at least 1; None leaves it to the runtime.

    Raises:
        CorruptError: No ONNX graph, or a damaged one.
        InvalidError: The graph's inputs or outputs are not those of the signature.
    """

    def __init__(self, path: Path, signature: Signature, *, digest: str = "", threads: int | None = None) -> None:
        self._digest = digest
        self._signature = signature
        self._session: Any = _opened(path, threads)
        session = self._session
        graph_inputs = session.get_inputs()
        self._types = {one.name: _type(path, one) for one in graph_inputs}
        self._columns = _columns(path, session, signature)
        self._matrix = graph_inputs[0].name if self._columns else None
        self._ranks = {one.name: len(one.shape) for one in graph_inputs}
        wanted = set(self._columns or self._types)
        known = {feature.name for feature in signature.inputs}
        for name in sorted(wanted - known):
            raise InvalidError(
                f"{path.name} takes '{name}', which the signature does not have (it has {', '.join(sorted(known))})",
                field=name,
                file=path.name,
            )
        self._outputs = [output.name for output in signature.outputs]
        self._promised = [
            (
                one.name,
                tuple(-1 if length is None else length for length in one.shape),
                None if one.kind == "float" else np.dtype(DTYPES[one.kind]),
            )
            for one in signature.outputs
        ]
        given = [one.name for one in session.get_outputs()]
        for name in self._outputs:
            if name not in given:
                raise InvalidError(
                    f"{path.name} gives no '{name}', which the signature promises (it gives {', '.join(given)})",
                    field=name,
                    file=path.name,
                )

    @property
    def digest(self) -> str:
        """Digest of its manifest."""
        return self._digest

    @property
    def signature(self) -> Signature:
        """Its contract."""
        return self._signature

    def predict(self, inputs: Arrays) -> dict[str, NDArray[np.generic]]:
        """Answer a batch; see `core.model.Model`."""
        session = self._session
        if session is None:
            raise UnavailableError("the model was closed: load it again", digest=self._digest)
        try:
            feed = self._matrix_feed(inputs) if self._columns else self._named_feed(inputs)
            answers = session.run(self._outputs, feed)
        except Exception as error:  # the runtime's exceptions share no base
            said = f"ONNX Runtime refused the batch: {_first_line(error)}"
            raise DeploymentError(said, digest=self._digest) from error
        n_rows = len(inputs.matrix) if isinstance(inputs, Table) else len(next(iter(inputs.values())))
        return {
            name: answer
            if answer.shape == (n_rows, *shape) and (dtype is None or answer.dtype == dtype)
            else _fitted(answer, n_rows, shape, dtype)
            for (name, shape, dtype), answer in zip(self._promised, answers, strict=True)
        }

    def close(self) -> None:
        """Let go of the session."""
        self._session = None

    def _matrix_feed(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        name, columns = str(self._matrix), self._columns or []
        if isinstance(inputs, Table) and inputs.columns == tuple(columns):
            return {name: inputs.matrix.astype(self._types[name], order="C", copy=False)}
        matrix = np.empty((len(inputs[columns[0]]), len(columns)), dtype=self._types[name])
        for number, one in enumerate(columns):
            matrix[:, number] = inputs[one]
        return {name: matrix}

    def _named_feed(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        feed = {}
        for name, dtype in self._types.items():
            array = inputs[name].astype(dtype, copy=False)
            feed[name] = array.reshape(-1, 1) if array.ndim == 1 and self._ranks[name] == _MATRIX else array
        return feed


def _fitted(answer: Any, n_rows: int, shape: tuple[int, ...], dtype: np.dtype[Any] | None) -> NDArray[np.generic]:
    """Return what the runtime answered in the signature's shape and type; a float output keeps its precision."""
    array: NDArray[np.generic] = np.asarray(answer)
    return array.reshape(n_rows, *shape).astype(array.dtype if dtype is None else dtype, copy=False)


def _opened(path: Path, threads: int | None) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _QUIET
    options.inter_op_num_threads = 1
    if threads is not None:
        options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's exceptions share no base
        raise CorruptError(
            f"{path.name} is no ONNX graph that this runtime can load: {_first_line(error)}",
            file=path.name,
            cause="no_graph",
            runtime=onnxruntime.__version__,
        ) from error


def _columns(path: Path, session: Any, signature: Signature) -> list[str] | None:
    graph_inputs = session.get_inputs()
    told = session.get_modelmeta().custom_metadata_map.get(COLUMNS)
    if told is not None:
        try:
            columns = json.loads(told)
        except ValueError as error:
            raise InvalidError(f"{path.name}: metadata '{COLUMNS}' is no JSON list", file=path.name) from error
        width = graph_inputs[0].shape[-1]
        if isinstance(width, int) and width != len(columns):
            raise InvalidError(
                f"{path.name} takes {width} columns, and its metadata '{COLUMNS}' names {len(columns)}",
                file=path.name,
            )
        return [str(one) for one in columns]
    names = {feature.name for feature in signature.inputs}
    if len(graph_inputs) == 1 and graph_inputs[0].name not in names:
        raise InvalidError(
            f"{path.name} takes one tensor '{graph_inputs[0].name}' and does not say which column is which feature: "
            f"write the names, in order, into the graph's metadata '{COLUMNS}' as a JSON list",
            file=path.name,
            field=graph_inputs[0].name,
        )
    return None


def _type(path: Path, graph_input: Any) -> Any:
    try:
        return _TYPES[graph_input.type]
    except KeyError:
        raise InvalidError(
            f"{path.name}: input '{graph_input.name}' is {graph_input.type}, which no request can carry",
            file=path.name,
            field=graph_input.name,
        ) from None


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
