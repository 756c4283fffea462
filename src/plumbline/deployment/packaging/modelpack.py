"""The model as an OCI artefact in the format of the CNCF's model-spec (ModelPack), v1 media types.

Each file is a layer of its own, raw: the layer's digest is the file's, so one file can be checked or fetched alone.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any, Final

from plumbline.deployment.core.encoding import encode
from plumbline.deployment.core.manifest import Manifest
from plumbline.deployment.packaging.archive import relative
from plumbline.deployment.packaging.artefact import Stored, signatures
from plumbline.deployment.packaging.descriptors import (
    CREATED,
    MODEL_DIGEST,
    REVISION,
    TITLE,
    VERSION,
    Descriptor,
    timestamp,
)
from plumbline.deployment.packaging.layout import Writer
from plumbline.deployment.registry.names import MANIFEST

ARTIFACT: Final = "application/vnd.cncf.model.manifest.v1+json"
CONFIG: Final = "application/vnd.cncf.model.config.v1+json"
FILEPATH: Final = "org.cncf.model.filepath"
CARD: Final = "README.md"

_FACTS = "application/vnd.cncf.model.weight.config.v1.raw"
_KINDS = {
    "code": {".py", ".ipynb", ".sql", ".r", ".sh", ".yml", ".yaml", ".toml", ".lock"},
    "dataset": {".csv", ".parquet", ".arrow", ".jsonl"},
    "doc": {".md", ".txt", ".rst", ".pdf", ".html", ".png", ".svg"},
    "weight": {".onnx", ".skops", ".safetensors", ".bin", ".data", ".npy", ".npz", ".pb", ".weights"},
}
_DOCUMENTS = {"LICENSE", "NOTICE", "README", "CHANGELOG"}


def media_type(path: str, manifest: Manifest) -> str:
    """Return what a file of a version is: `weight`, `weight.config`, `doc`, `code` or `dataset`, always raw."""
    name = PurePosixPath(path)
    kind = "weight.config"
    if path == manifest.entry:
        kind = "weight"
    elif name.name in _DOCUMENTS:
        kind = "doc"
    else:
        kind = next((one for one, endings in _KINDS.items() if name.suffix.lower() in endings), kind)
    return f"application/vnd.cncf.model.{kind}.v1.raw"


def add(writer: Writer, stored: Stored, folder: Path, tag: str) -> Descriptor:
    """Write the artefact of a version and return what names its manifest.

    Args:
        writer: Of the layout.
        stored: The version.
        folder: Where its files are.
        tag: Name in the index.

    Raises:
        CorruptError: A file is not the one that was registered; the sentence names it.
    """
    manifest = stored.manifest
    layers = [
        writer.file(folder / relative(file.path), media_type(file.path, manifest), file.digest, **_named(file.path))
        for file in manifest.files
    ]
    layers.append(writer.blob(encode(manifest), _FACTS, **_named(MANIFEST)))
    layers += [
        writer.blob(path.read_bytes(), _FACTS, **_named(path.relative_to(folder).as_posix()))
        for path in signatures(folder)
    ]
    if manifest.card and CARD not in {file.path for file in manifest.files}:
        layers.append(writer.blob(manifest.card.encode(), "application/vnd.cncf.model.doc.v1.raw", **_named(CARD)))
    config = writer.document(_config(stored, [layer.digest for layer in layers]), CONFIG)
    return writer.manifest(config, layers, tag=tag, annotations=facts(stored), artifact_type=ARTIFACT)


def facts(stored: Stored) -> dict[str, str]:
    """Return the facts that stand at the artefact's and the image's manifest."""
    lineage = stored.manifest.lineage
    known = {TITLE: stored.manifest.model, VERSION: stored.version, MODEL_DIGEST: stored.digest}
    if lineage.code:
        known[REVISION] = lineage.code
    if lineage.trained_at is not None:
        known[CREATED] = timestamp(lineage.trained_at)
    return known


def _named(path: str) -> dict[str, str]:
    return {FILEPATH: path, TITLE: path}


def _config(stored: Stored, diff_ids: list[str]) -> dict[str, Any]:
    manifest = stored.manifest
    descriptor: dict[str, Any] = {"name": manifest.model, "title": manifest.model, "version": stored.version}
    if manifest.lineage.code:
        descriptor["revision"] = manifest.lineage.code
    if manifest.lineage.trained_at is not None:
        descriptor["createdAt"] = timestamp(manifest.lineage.trained_at)
    first = next((line.lstrip("# ").strip() for line in manifest.card.splitlines() if line.strip()), "")
    if first:
        descriptor["description"] = first
    return {
        "descriptor": descriptor,
        "config": {"format": manifest.format, "capabilities": {"inputTypes": ["other"], "outputTypes": ["other"]}},
        "modelfs": {"type": "layers", "diffIds": diff_ids},
    }
