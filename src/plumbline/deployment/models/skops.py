"""What ONNX cannot hold: scikit-learn estimators in skops files. Only named types are built; a pickle is never read.

A skops file is a ZIP with a schema of types and states. skops builds scikit-learn's estimators and plain values by
itself; of anything beyond, only the types in `TRUSTED` (data structures of scikit-learn's own) are built here.
"""

from __future__ import annotations

import io
import json
import re
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from plumbline.deployment.core.errors import (
    CorruptError,
    DeploymentError,
    InvalidError,
    UnavailableError,
    UntrustedError,
)
from plumbline.deployment.core.model import Arrays
from plumbline.deployment.core.signature import Signature
from plumbline.deployment.models.tables import frame, restored
from plumbline.deployment.models.values import DTYPES

TRUSTED = frozenset(
    {
        "numpy.dtype",
        "sklearn._loss.link.IdentityLink",
        "sklearn._loss.link.Interval",
        "sklearn._loss.link.LogLink",
        "sklearn._loss.link.LogitLink",
        "sklearn._loss.link.MultinomialLogit",
        "sklearn._loss.loss.AbsoluteError",
        "sklearn._loss.loss.HalfBinomialLoss",
        "sklearn._loss.loss.HalfGammaLoss",
        "sklearn._loss.loss.HalfMultinomialLoss",
        "sklearn._loss.loss.HalfPoissonLoss",
        "sklearn._loss.loss.HalfSquaredError",
        "sklearn._loss.loss.PinballLoss",
        "sklearn.compose._column_transformer._RemainderColsList",
        "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.neighbors._ball_tree.BallTree",
        "sklearn.neighbors._kd_tree.KDTree",
        "sklearn.tree._tree.Tree",
    }
)
"""Data structures of scikit-learn's estimators that skops does not build unasked; none calls what it is given."""

_METHODS = ("predict", "predict_proba")
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Envelope:
    """What Plumbline writes into a skops file beside the estimator.

    Args:
        estimator: Fitted.
        columns: Features in the order of the estimator's columns.
        outputs: Method (`predict`, `predict_proba`) by the output's name.
    """

    estimator: Any
    columns: tuple[str, ...]
    outputs: Mapping[str, str] = field(default_factory=dict)


def dump(envelope: Envelope, path: Path) -> None:
    """Write a skops file: the same bytes for the same estimator, whatever the clock and the memory's addresses.

    Raises:
        UntrustedError: The estimator holds types that `load` would refuse, such as functions of your own.
    """
    from skops import io as skops_io

    data = skops_io.dumps(
        {
            "estimator": envelope.estimator,
            "columns": list(envelope.columns),
            "outputs": dict(envelope.outputs),
            "plumbline": 1,
        }
    )
    _trusted(path.name, data)
    path.write_bytes(_reproducible(data))


class SkopsModel:
    """An estimator in memory. Threads may call `predict` side by side: a fitted estimator does not change.

    Args:
        path: The file, written by `dump`, or one with a bare estimator.
        signature: What callers send and get.
        digest: Of the manifest.
        threads: For estimators that have `n_jobs`; None leaves what they were trained with.

    Raises:
        CorruptError: No skops file, or a damaged one.
        UntrustedError: It holds types that are not trusted; the sentence lists them.
        InvalidError: Written by another minor version of scikit-learn, or not giving what the signature promises.
    """

    def __init__(self, path: Path, signature: Signature, *, digest: str = "", threads: int | None = None) -> None:
        self._digest = digest
        self._signature = signature
        envelope = read(path, signature)
        self._estimator: Any = envelope.estimator
        self._columns = envelope.columns
        self._methods = {output.name: _method(path, envelope, output.name) for output in signature.outputs}
        self._blanks = [f.name for f in signature.inputs if f.kind == "string" and f.nullable]
        for name in self._columns:
            if signature.feature(name) is None:
                raise InvalidError(
                    f"{path.name} takes '{name}', which the signature does not have", field=name, file=path.name
                )
        if threads is not None:
            jobs = [key for key in self._estimator.get_params() if key.split("__")[-1] == "n_jobs"]
            self._estimator.set_params(**dict.fromkeys(jobs, threads))

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
        estimator = self._estimator
        if estimator is None:
            raise UnavailableError("the model was closed: load it again", digest=self._digest)
        table = frame(
            estimator, {name: restored(inputs[name], nullable=name in self._blanks) for name in self._columns}
        )
        try:
            answers = {method: np.asarray(getattr(estimator, method)(table)) for method in set(self._methods.values())}
        except Exception as error:
            line = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise DeploymentError(f"scikit-learn refused the batch: {line[:300]}", digest=self._digest) from error
        n_rows = len(table)
        return {
            output.name: answers[self._methods[output.name]]
            .reshape(n_rows, *(-1 if one is None else one for one in output.shape))
            .astype(DTYPES[output.kind], copy=False)
            for output in self._signature.outputs
        }

    def close(self) -> None:
        """Let go of the estimator."""
        self._estimator = None


def read(path: Path, signature: Signature | None = None) -> Envelope:
    """Read a skops file; see `SkopsModel` for what is refused.

    Args:
        path: The file.
        signature: Gives the order of columns to a bare estimator that knows no names.
    """
    from skops import io as skops_io

    data = path.read_bytes()
    trusted = _trusted(path.name, data)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            value = skops_io.loads(data, trusted=sorted(trusted))
        except Exception as error:
            raise CorruptError(
                f"{path.name} cannot be read by this version of skops and scikit-learn: {error!s:.300}",
                file=path.name,
                cause="unreadable",
            ) from error
    _same_minor(path.name, told)
    if isinstance(value, dict) and value.get("plumbline") == 1:
        return Envelope(value["estimator"], tuple(value["columns"]), value["outputs"])
    own = getattr(value, "feature_names_in_", None)
    order = own if own is not None else [] if signature is None else [one.name for one in signature.inputs]
    return Envelope(value, tuple(str(one) for one in order))


def _trusted(name: str, data: bytes) -> set[str]:
    from skops import io as skops_io

    try:
        asked = set(skops_io.get_untrusted_types(data=data))
    except Exception as error:
        raise CorruptError(
            f"{name} is no skops file, or a damaged one: {error!s:.300}; fetch it again", file=name, cause="no_skops"
        ) from error
    strangers = sorted(asked - TRUSTED)
    if strangers:
        raise UntrustedError(
            f"{name} holds types that are not trusted: {', '.join(strangers)}; "
            "use scikit-learn's own transformers, or convert the model to ONNX",
            file=name,
            types=strangers,
        )
    return asked


def _same_minor(name: str, told: list[warnings.WarningMessage]) -> None:
    """Refuse a state that another minor version wrote: attributes come and go between them."""
    from sklearn.exceptions import InconsistentVersionWarning

    for one in told:
        message = one.message
        if isinstance(message, InconsistentVersionWarning):
            written, here = str(message.original_sklearn_version), str(message.current_sklearn_version)
            if written.split(".")[:2] != here.split(".")[:2]:
                raise InvalidError(
                    f"{name} was written with scikit-learn {written} and this process runs {here}: attributes differ "
                    f"between them; run scikit-learn {written} (the runtime lane), or train and register again",
                    file=name,
                    written=written,
                    here=here,
                )


def _method(path: Path, envelope: Envelope, name: str) -> str:
    usual = {"label": "predict", "prediction": "predict", "probabilities": "predict_proba"}
    method = envelope.outputs.get(name) if envelope.outputs else usual.get(name)
    if method not in _METHODS or not callable(getattr(envelope.estimator, method, None)):
        given = sorted(envelope.outputs or usual)
        raise InvalidError(
            f"{path.name} gives no '{name}', which the signature promises (it gives {', '.join(given)})",
            field=name,
            file=path.name,
        )
    return method


def _reproducible(data: bytes) -> bytes:
    """Number objects in the order of the schema in place of memory addresses, and date every member alike."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(members.pop("schema.json"))
    numbers: dict[str, int] = {}
    _renumber(schema, numbers)
    renamed = {_renamed(name, numbers): content for name, content in members.items()}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (*sorted(renamed.items()), ("schema.json", json.dumps(schema, indent=1).encode())):
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _renumber(node: Any, numbers: dict[str, int]) -> None:
    if isinstance(node, list):
        for one in node:
            _renumber(one, numbers)
    elif isinstance(node, dict):
        entries = cast("dict[str, Any]", node)
        if isinstance(entries.get("__id__"), int):
            entries["__id__"] = numbers.setdefault(str(entries["__id__"]), len(numbers) + 1)
        for key, one in entries.items():
            if key == "file" and isinstance(one, str):
                entries[key] = _renamed(one, numbers)
            else:
                _renumber(one, numbers)


def _renamed(name: str, numbers: dict[str, int]) -> str:
    number = re.match(r"\d+", name)
    if number is None:
        return name
    return f"{numbers.setdefault(number[0], len(numbers) + 1)}{name[number.end() :]}"
