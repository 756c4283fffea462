"""What a build leaves: a folder with the manifest and its files. A training script writes it; the pipeline takes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from numpy.typing import ArrayLike

from plumbline.deployment.core.digests import digest_of
from plumbline.deployment.core.encoding import decode, encode
from plumbline.deployment.core.errors import InvalidError, NotFoundError
from plumbline.deployment.core.manifest import File, Manifest
from plumbline.deployment.pipeline.gates.parity import RECORDED, record
from plumbline.deployment.pipeline.gates.provenance import check
from plumbline.deployment.registry.names import MANIFEST

Recorded = tuple[Mapping[str, ArrayLike], Mapping[str, ArrayLike]]
"""Rows by feature name, and the training framework's own answers to them by output name."""


def leave(folder: Path, manifest: Manifest, recorded: Recorded | None = None) -> Manifest:
    """Write a candidate's manifest beside its files; the last line of a training script.

    Args:
        folder: Where the files of the manifest are already (`models.pack` has written them).
        manifest: As `models.pack` returns it.
        recorded: What the gate `parity` compares with; it becomes a file of the version.

    Returns:
        The manifest that was written.
    """
    if recorded is not None:
        path = folder / RECORDED
        record(path, *recorded)
        data = path.read_bytes()
        others = [file for file in manifest.files if file.path != RECORDED]
        files = sorted((*others, File(RECORDED, digest_of(data), len(data))), key=lambda file: file.path)
        manifest = replace(manifest, files=tuple(files))
    (folder / MANIFEST).write_bytes(encode(manifest))
    return manifest


def taken(folder: Path, model: str) -> tuple[Manifest, dict[str, Path]]:
    """Return the manifest that a build left and where its files are: what `Registry.register` takes.

    Raises:
        NotFoundError: There is no manifest, or a file of it is missing.
        InvalidError: It is no manifest, or one of another model.
        CorruptError: A file is not the one that the manifest names.
    """
    path = folder / MANIFEST
    try:
        manifest = decode(path.read_bytes(), Manifest, str(path))
    except OSError as error:
        raise NotFoundError(
            f"{path}: {error.strerror}; the build leaves it there by `plumbline.deployment.pipeline.candidate.leave`",
            path=str(path),
        ) from error
    if manifest.model != model:
        raise InvalidError(f"{path} is of model '{manifest.model}', but the pipeline deploys '{model}'", path=str(path))
    files = {file.path: folder / file.path for file in manifest.files}
    for file in manifest.files:
        check(files[file.path], file.digest)
    return manifest, files
