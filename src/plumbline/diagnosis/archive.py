"""The file of a bundle: a zip of small texts with a manifest of hashes; reading trusts nothing in it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import zipfile
import zlib
from pathlib import Path
from typing import Any

SCHEMA = "plumbline.bundle/1"
MANIFEST = "manifest.json"
MAX_FILES = 2000
MAX_FILE_BYTES = 32 * 1024 * 1024
MAX_TOTAL_BYTES = 128 * 1024 * 1024
_NAME = re.compile(r"manifest\.json|report\.json|evidence/[a-z0-9.-]{1,120}\.json|logs/[A-Za-z0-9._-]{1,120}")
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same content gives the same file


class BundleError(Exception):
    """A bundle cannot be written or read; the text says why in one sentence."""


def write(path: Path, files: dict[str, bytes], manifest: dict[str, Any]) -> None:
    """Write a bundle atomically, readable by its owner only; the manifest gets each file's SHA-256 and size.

    Raises:
        BundleError: It cannot be written there.
    """
    hashes = {name: {"sha256": _digest(data), "bytes": len(data)} for name, data in sorted(files.items())}
    head = json.dumps({"schema": SCHEMA, **manifest, "files": hashes}, indent=2, ensure_ascii=False)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in {MANIFEST: head.encode(), **files}.items():
                archive.writestr(zipfile.ZipInfo(name, _EPOCH), data, zipfile.ZIP_DEFLATED)
        fresh.replace(path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise BundleError(f"{path}: the bundle cannot be written: {error.strerror}") from None


def read(path: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return the manifest and the files of a bundle, checked against their hashes; nothing is extracted to disk.

    Raises:
        BundleError: It is missing, no bundle, damaged, altered, too large, or holds a file that no bundle has.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            files = _contents(path, archive)
    except FileNotFoundError:
        raise BundleError(f"{path}: there is no such file") from None
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise BundleError(f"{path}: is no bundle, or was cut short: {error}") from None
    manifest = _manifest(path, files)
    _check_hashes(path, manifest, files)
    return manifest, files


def parse(path: Path, name: str, data: bytes) -> Any:
    """Return a JSON file of a bundle as data.

    Raises:
        BundleError: It is no JSON.
    """
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise BundleError(f"{path}: {name} is no JSON") from None


def _contents(path: Path, archive: zipfile.ZipFile) -> dict[str, bytes]:
    entries = archive.infolist()
    if len(entries) > MAX_FILES:
        raise BundleError(f"{path}: holds {len(entries)} files; a bundle has at most {MAX_FILES}")
    if sum(entry.file_size for entry in entries) > MAX_TOTAL_BYTES:
        raise BundleError(f"{path}: would unpack to more than {MAX_TOTAL_BYTES >> 20} MiB, the most a bundle may have")
    files: dict[str, bytes] = {}
    for entry in entries:
        if not _NAME.fullmatch(entry.filename) or entry.filename in files:
            raise BundleError(f"{path}: holds {entry.filename!r}, which no bundle has; it was not opened")
        with archive.open(entry) as stream:
            data = stream.read(MAX_FILE_BYTES + 1)  # the size that a header claims may be a lie
        if len(data) > MAX_FILE_BYTES:
            raise BundleError(f"{path}: {entry.filename} is larger than {MAX_FILE_BYTES >> 20} MiB")
        files[entry.filename] = data
    return files


def _manifest(path: Path, files: dict[str, bytes]) -> dict[str, Any]:
    if MANIFEST not in files:
        raise BundleError(f"{path}: is a zip, but no bundle: it has no {MANIFEST}")
    manifest = parse(path, MANIFEST, files.pop(MANIFEST))
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
        raise BundleError(f"{path}: {MANIFEST} is not that of a bundle")
    if manifest.get("schema") != SCHEMA:
        raise BundleError(f"{path}: has the schema {manifest.get('schema')!r}; this version reads {SCHEMA!r}")
    return manifest


def _check_hashes(path: Path, manifest: dict[str, Any], files: dict[str, bytes]) -> None:
    listed = manifest["files"]
    odd = sorted(set(listed) ^ set(files))
    if odd:
        raise BundleError(f"{path}: was altered: {odd[0]} is in the manifest or in the zip, but not in both")
    for name, data in files.items():
        if not isinstance(listed[name], dict) or listed[name].get("sha256") != _digest(data):
            raise BundleError(f"{path}: was altered: {name} is not what was written (its SHA-256 differs)")


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
