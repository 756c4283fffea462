"""Versions taken from MLflow's registry, and given to it. What Plumbline gave comes back with the same digest."""

from __future__ import annotations

import contextlib
import json
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from plumbline.deployment.core.encoding import decode, encode, identity
from plumbline.deployment.core.errors import ConflictError, InvalidError
from plumbline.deployment.core.manifest import Lineage, Manifest
from plumbline.deployment.core.signature import Kind, Signature
from plumbline.deployment.models import mlflow, recognising, skops
from plumbline.deployment.models.inferring import Hints
from plumbline.deployment.models.packing import Packed, pack

MANIFEST = "plumbline.json"
"""The manifest beside the files of an exported version."""
TAG = "plumbline.digest"
_EXPERIMENT = "plumbline"
_TYPES: dict[Kind, str] = {"float": "double", "int": "long", "bool": "boolean", "string": "string"}


def take(
    server: mlflow.Server,
    name: str,
    ref: str,
    *,
    folder: Path,
    model: str | None = None,
    sample: Any = None,
    hints: Hints | None = None,
) -> Packed:
    """Import a version from MLflow.

    A version that `give` exported comes back byte for byte. Another one must be scikit-learn in a skops file: it is
    packed anew, its contract inferred from the sample (by default the input example that was logged with it).

    Args:
        server: Where from.
        name: Of the registered model there.
        ref: Version or alias.
        folder: Where the files go.
        model: The model's name here; None for the same, in lower case.
        sample: See `packing.pack`.
        hints: See `packing.pack`.

    Raises:
        UntrustedError: It is pickled.
        InvalidError: Neither exported from here nor skops; no sample; files that are not behind the proxy.
        NotFoundError: No such version.
        UnavailableError: The server does not answer.
    """
    found = server.version(name, ref)
    with tempfile.TemporaryDirectory() as temporary:
        files = server.download(found.artifacts, Path(temporary))
        if MANIFEST in files:
            return _returned(files, folder)
        told = _described(files)
        entry = files.get(mlflow.model_file(told.get("flavors", {})))
        if entry is None:
            raise InvalidError(f"MLflow's version {name} {found.version} names a model file that it does not hold")
        recognising.examine(entry)
        if not recognising.is_archive(entry):
            raise InvalidError(
                f"{entry.name} of {name} {found.version} is an ONNX graph that Plumbline did not export: "
                "its outputs have no contract there; register it with pack_file() and a signature"
            )
        estimator = skops.read(entry).estimator
        lineage = Lineage(parameters={"mlflow.model": name, "mlflow.version": found.version, "mlflow.run": found.run})
        rows = sample if sample is not None else _example(files, name)
        return pack(estimator, rows, model=model or name.lower(), folder=folder, hints=hints, lineage=lineage)


def give(server: mlflow.Server, manifest: Manifest, files: Mapping[str, Path], *, name: str, version: str) -> str:
    """Export a version to MLflow: a run with its metrics, its files with an `MLmodel`, a registered version.

    Args:
        server: Where to.
        manifest: Of the version.
        files: By path in the manifest.
        name: Of the registered model there; made if need be.
        version: Semantic version here; becomes a tag.

    Returns:
        MLflow's version number.

    Raises:
        UnavailableError: The server does not answer.
        DeploymentError: It refuses.
    """
    now = int(time.time() * 1000)
    run = server.call("POST", "runs/create", experiment_id=_experiment(server), start_time=now)["run"]["info"]
    where, run_id = f"{run['artifact_uri']}/model", run["run_id"]
    for metric, value in sorted(manifest.metrics.items()):
        server.call("POST", "runs/log-metric", run_id=run_id, key=metric, value=value, timestamp=now)
    root = mlflow.proxied(where)
    with tempfile.TemporaryDirectory() as temporary:
        for file, content in ((MANIFEST, encode(manifest)), ("MLmodel", _mlmodel(manifest, run_id))):
            written = Path(temporary) / file
            written.write_bytes(content)
            server.upload(written, f"{root}/{file}")
    for file, path in files.items():
        server.upload(path, f"{root}/{file}")
    server.call("POST", "runs/update", run_id=run_id, status="FINISHED", end_time=int(time.time() * 1000))
    with contextlib.suppress(ConflictError):  # it is there: this is its next version
        server.call("POST", "registered-models/create", name=name)
    tags = [{"key": TAG, "value": identity(manifest)}, {"key": "plumbline.version", "value": version}]
    made = server.call("POST", "model-versions/create", name=name, source=where, run_id=run_id, tags=tags)
    return str(made["model_version"]["version"])


def _returned(files: dict[str, Path], folder: Path) -> Packed:
    manifest = decode(files[MANIFEST].read_bytes(), Manifest, MANIFEST)
    folder.mkdir(parents=True, exist_ok=True)
    kept = {}
    for file in manifest.files:
        if file.path not in files:
            raise InvalidError(f"the exported version names {file.path}, which MLflow does not hold", file=file.path)
        kept[file.path] = folder / file.path
        kept[file.path].parent.mkdir(parents=True, exist_ok=True)
        kept[file.path].write_bytes(files[file.path].read_bytes())
    recognising.verify(folder, manifest)
    return manifest, kept


def _described(files: dict[str, Path]) -> dict[str, Any]:
    if "MLmodel" not in files:
        raise InvalidError(f"there is no MLmodel among the artefacts ({', '.join(sorted(files))})")
    try:
        told = yaml.safe_load(files["MLmodel"].read_text())
    except yaml.YAMLError as error:
        raise InvalidError(f"MLmodel is no YAML: {error!s:.200}") from error
    if not isinstance(told, dict):
        raise InvalidError("MLmodel is not a mapping")
    return told


def _example(files: dict[str, Path], name: str) -> dict[str, Any]:
    if "input_example.json" not in files:
        raise InvalidError(f"{name} was logged without an input example: give a sample of its training data")
    told = json.loads(files["input_example.json"].read_text())
    if not isinstance(told, dict) or not {"columns", "data"} <= set(told):
        raise InvalidError(f"the input example of {name} is no table with names: give a sample of its training data")
    return {column: [row[number] for row in told["data"]] for number, column in enumerate(told["columns"])}


def _experiment(server: mlflow.Server) -> str:
    try:
        return str(server.call("POST", "experiments/create", name=_EXPERIMENT)["experiment_id"])
    except ConflictError:
        found = server.call("GET", "experiments/get-by-name", experiment_name=_EXPERIMENT)
        return str(found["experiment"]["experiment_id"])


def _mlmodel(manifest: Manifest, run_id: str) -> bytes:
    """MLflow's own description, so that its pages show inputs and its clients know the file."""
    flavour = (
        {"onnx": {"data": manifest.entry, "onnx_version": "1", "providers": ["CPUExecutionProvider"]}}
        if manifest.format == "onnx"
        else {"plumbline": {"data": manifest.entry, "format": manifest.format}}
    )
    told = {
        "artifact_path": "model",
        "run_id": run_id,
        "flavors": flavour,
        "signature": {"inputs": _inputs(manifest.signature), "outputs": None, "params": None},
    }
    return yaml.safe_dump(told, sort_keys=True).encode()


def _inputs(signature: Signature) -> str:
    fields = [
        {"type": _TYPES[one.kind], "name": one.name, "required": one.required and not one.nullable}
        for one in signature.inputs
    ]
    return json.dumps(fields)
