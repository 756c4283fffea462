"""A version as a folder: verified copies of its files, its manifest and its signatures, all or nothing."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

from plumbline.deployment.core.encoding import encode
from plumbline.deployment.core.errors import ConflictError, CorruptError, DeploymentError
from plumbline.deployment.core.manifest import Manifest
from plumbline.deployment.registry.blobs import Blobs, synced, unwritable
from plumbline.deployment.registry.names import MANIFEST, SIGNATURES, described


def laid_out(blobs: Blobs, manifest: Manifest, signatures: Mapping[str, str], folder: Path) -> Path:
    """Make a folder of a version, by one rename; one that holds the very same stays.

    Copies, not hard links: who edits a file of the folder must not edit the registry.

    Args:
        blobs: Where the files come from.
        manifest: Which files.
        signatures: Bundles by digest of the public key.
        folder: Must not exist, or hold this version.

    Raises:
        CorruptError: A file of the registry, or of the folder that is there, is not what it was; the sentence names it.
        ConflictError: The folder holds something else.
        FullError: The disk is full.
        UnavailableError: The folder cannot be written.
    """
    if folder.exists():
        return _same(manifest, folder)
    temporary = folder.with_name(f".{folder.name}.{secrets.token_hex(6)}")
    try:
        temporary.mkdir(parents=True)
        _fill(blobs, manifest, signatures, temporary)
        try:
            temporary.rename(folder)
        except OSError:
            if not folder.exists():
                raise
            return _same(manifest, folder)  # another process was first
        synced(folder.parent)
    except OSError as error:
        raise unwritable(folder, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def sign_file(folder: Path, key: str) -> Path:
    """Return where the signature by a key lies in a version's folder.

    Args:
        folder: The version's.
        key: Digest of the public key.
    """
    return folder / SIGNATURES / f"{key.removeprefix('sha256:')}.json"


def _fill(blobs: Blobs, manifest: Manifest, signatures: Mapping[str, str], folder: Path) -> None:
    for file in manifest.files:
        target = folder / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            blobs.copy(file.digest, target)
        except CorruptError as error:
            raise CorruptError(f"file '{file.path}': {error.sentence}", **error.data, file=file.path) from error
    (folder / MANIFEST).write_bytes(encode(manifest))
    for key, bundle in signatures.items():
        path = sign_file(folder, key)
        path.parent.mkdir(exist_ok=True)
        path.write_text(bundle)
    synced(folder)


def _same(manifest: Manifest, folder: Path) -> Path:
    """Check that a folder holds this version."""
    try:
        other = (folder / MANIFEST).read_bytes() != encode(manifest)
    except OSError:
        other = True
    if other:
        raise ConflictError(
            f"{folder} is there and does not hold this version of {manifest.model}: name another folder",
            path=str(folder),
        )
    try:
        found = {file.path: file for file in described({file.path: folder / file.path for file in manifest.files})}
    except DeploymentError as error:
        raise CorruptError(f"{folder}: {error.sentence}; delete it, it is made again", path=str(folder)) from error
    for file in manifest.files:
        if found[file.path].digest != file.digest:
            raise CorruptError(
                f"{folder / file.path}: altered since it was laid out; delete the folder, it is made again",
                path=str(folder / file.path),
                file=file.path,
            )
    return folder
