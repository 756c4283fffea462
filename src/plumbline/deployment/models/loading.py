"""Loads a version: every byte compared with its manifest first, then by its format."""

from __future__ import annotations

from pathlib import Path

from plumbline.deployment.core.manifest import Manifest
from plumbline.deployment.core.model import Model
from plumbline.deployment.models import recognising


def load(folder: Path, manifest: Manifest, *, digest: str, threads: int | None = None) -> Model:
    """Load a version's model.

    Args:
        folder: Holds the files of the manifest under their paths.
        manifest: What the registry stores.
        digest: Of the manifest; the model carries it.
        threads: How many may work on one batch, at least 1; None leaves it to the runtime.

    Raises:
        NotFoundError: A file is not there.
        CorruptError: A file is not what the manifest says; the sentence names it.
        UntrustedError: A pickle, or a type that skops does not trust.
        InvalidError: The file does not take or give what the signature says.
    """
    recognising.verify(folder, manifest)
    path = folder / manifest.entry
    recognising.examine(path)
    if manifest.format == "onnx":
        from plumbline.deployment.models.onnx import OnnxModel

        return OnnxModel(path, manifest.signature, digest=digest, threads=threads)
    from plumbline.deployment.models.skops import SkopsModel

    return SkopsModel(path, manifest.signature, digest=digest, threads=threads)
