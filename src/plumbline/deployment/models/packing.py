"""A trained estimator becomes a version: converted, compared, its contract and golden answers written down."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from plumbline.deployment.core.digests import digest_of
from plumbline.deployment.core.errors import InvalidError
from plumbline.deployment.core.manifest import File, Format, Golden, Lineage, Manifest
from plumbline.deployment.core.signature import Signature
from plumbline.deployment.models import golden, inferring, recognising
from plumbline.deployment.models.convert import Conversion, convert
from plumbline.deployment.models.inferring import Hints
from plumbline.deployment.models.loading import load
from plumbline.deployment.models.parity import TOLERANCE
from plumbline.deployment.models.tables import table

Packed = tuple[Manifest, dict[str, Path]]
"""What `Registry.register` takes: the manifest, and where each of its files is."""
_PACKAGES = ("numpy", "onnxruntime", "scikit-learn", "skl2onnx", "skops")


def pack(
    estimator: Any,
    sample: Any,
    *,
    model: str,
    folder: Path,
    hints: Hints | None = None,
    format: Format | None = None,  # noqa: A002 (the manifest's word)
    lineage: Lineage | None = None,
    metrics: Mapping[str, float] | None = None,
    card: str = "",
    tolerance: float = TOLERANCE,
    tell: Callable[[Conversion], None] = lambda _: None,
) -> Packed:
    """Make a version of a fitted scikit-learn estimator.

    Args:
        estimator: Fitted classifier or regressor, or a pipeline that ends in one.
        sample: Rows as it was trained on, missing values among them if it knows them: a data frame, a mapping of
            columns, or `(array, names)`. Read for types and golden rows, and to compare ONNX with scikit-learn.
        model: The model's name.
        folder: Where the file is written; made if need be.
        hints: What the sample does not show: ranges, optional features, names of outputs.
        format: Only this one; None takes ONNX where it answers as scikit-learn does, else skops.
        lineage: Where it comes from; what it says goes before what is found here (versions of packages, parameters).
        metrics: Offline measures.
        card: Model card, Markdown.
        tolerance: Of the comparison, and of the golden rows.
        tell: Called with what became of the conversion.

    Returns:
        The manifest, and the files by path.

    Raises:
        InvalidError: See `inferring.infer` and `golden.record`.
        UntrustedError: It holds functions or types of your own that neither ONNX nor skops can hold.
        DeploymentError: `format="onnx"`, and it does not convert.
    """
    hints = hints or Hints()
    folder.mkdir(parents=True, exist_ok=True)
    signature, columns = inferring.infer(estimator, sample, hints), table(sample)
    methods = inferring.methods(estimator, hints)
    done = convert(estimator, signature, methods, columns, folder, format=format, tolerance=tolerance)
    tell(done)
    manifest = Manifest(
        model=model,
        format=done.format,
        entry=done.path.name,
        files=(_file(done.path),),
        signature=signature,
        golden=Golden({}, {}, tolerance),
        lineage=_found(lineage or Lineage(), estimator),
        metrics=dict(metrics or {}),
        card=card,
    )
    return _answered(manifest, folder, columns, tolerance), {done.path.name: done.path}


def pack_file(
    path: Path,
    signature: Signature,
    sample: Any,
    *,
    model: str,
    lineage: Lineage | None = None,
    metrics: Mapping[str, float] | None = None,
    card: str = "",
    tolerance: float = TOLERANCE,
) -> Packed:
    """Make a version of a model file that exists: ONNX or skops, by its first bytes.

    Args:
        path: The file.
        signature: Its contract; nothing can be inferred from a file alone.
        sample: Rows for golden answers, as for `pack`.
        model: The model's name.
        lineage: Where it comes from.
        metrics: Offline measures.
        card: Model card, Markdown.
        tolerance: Of the golden rows.

    Raises:
        CorruptError: No model, or a damaged one.
        UntrustedError: A pickle, or types that are not trusted.
        InvalidError: It does not take or give what the signature says.
    """
    recognising.examine(path)
    manifest = Manifest(
        model=model,
        format="skops" if recognising.is_archive(path) else "onnx",
        entry=path.name,
        files=(_file(path),),
        signature=signature,
        golden=Golden({}, {}, tolerance),
        lineage=lineage or Lineage(),
        metrics=dict(metrics or {}),
        card=card,
    )
    return _answered(manifest, path.parent, table(sample), tolerance), {path.name: path}


def _answered(manifest: Manifest, folder: Path, columns: dict[str, Any], tolerance: float) -> Manifest:
    for feature in manifest.signature.inputs:
        if feature.required and feature.name not in columns:
            raise InvalidError(f"the sample has no column '{feature.name}'", field=feature.name)
    loaded = load(folder, manifest, digest="")
    try:
        inputs = golden.choose(manifest.signature, columns)
        return replace(manifest, golden=golden.record(loaded, inputs, tolerance=tolerance))
    finally:
        loaded.close()


def _file(path: Path) -> File:
    data = path.read_bytes()
    return File(path.name, digest_of(data), len(data))


def _found(lineage: Lineage, estimator: Any) -> Lineage:
    environment = {"python": platform.python_version(), "platform": f"{platform.system()} {platform.machine()}"}
    for name in _PACKAGES:
        try:
            environment[name] = version(name)
        except PackageNotFoundError:  # pragma: no cover (all come with the extra `deployment`)
            continue
    parameters = {name: _plain(value) for name, value in estimator.get_params(deep=False).items()}
    return replace(
        lineage,
        environment={**environment, **lineage.environment},
        parameters={**parameters, **lineage.parameters},
    )


def _plain(value: Any) -> Any:
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError):
        return repr(value)
