"""What models, aliases and files may be called, and what nobody may put into a registry."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from plumbline.deployment.core import recognised
from plumbline.deployment.core.digests import digest_of
from plumbline.deployment.core.errors import InvalidError, UntrustedError
from plumbline.deployment.core.manifest import File

MANIFEST = "plumbline.json"
"""The manifest in a materialised folder: its digest is the version's, and a signature of the folder covers it."""

SIGNATURES = "signatures"
"""Folder of the signatures in a materialised folder; they do not cover themselves."""

_MODEL = re.compile(r"[a-z0-9][a-z0-9._-]{0,127}")
_ALIAS = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_PIECE = 1 << 20


def model_name(text: str) -> str:
    """Return a model's name.

    Raises:
        InvalidError: It is none.
    """
    if not _MODEL.fullmatch(text):
        raise InvalidError(
            f"'{text[:80]}' cannot be a model's name: lower case letters, digits, '-', '_' and '.', 128 at most",
            given=text[:80],
        )
    return text


def alias_name(text: str) -> str:
    """Return an alias' name.

    Raises:
        InvalidError: It is none, or would say what no pointer can: `latest` is whatever was registered last.
    """
    if not _ALIAS.fullmatch(text):
        raise InvalidError(
            f"'{text[:80]}' cannot be an alias: a lower case letter, then letters, digits, '-' and '_', 64 at most",
            given=text[:80],
        )
    if text == "latest":
        raise InvalidError(
            "'latest' cannot be an alias: it reads like the newest version; call it 'candidate' or 'production'"
        )
    return text


def described(files: Mapping[str, Path]) -> tuple[File, ...]:
    """Return the `files` of a manifest: path, digest and size of each, sorted by path.

    Args:
        files: Where each lies, by its path inside the artefact.

    Raises:
        InvalidError: A path leads out of the artefact, or a file cannot be read.
        UntrustedError: A file is a pickle.
    """
    return tuple(_described(path, files[path]) for path in sorted(files))


def _described(path: str, source: Path) -> File:
    inside(path)
    try:
        with source.open("rb") as file:
            digest = digest_of(iter(lambda: file.read(_PIECE), b""))
            size = file.tell()
    except OSError as error:
        raise InvalidError(f"{source}: {error.strerror}", path=str(source)) from error
    no_pickle(path, source)
    return File(path, digest, size)


def inside(path: str) -> str:
    """Return a path that stays inside the artefact.

    Raises:
        InvalidError: It is absolute, holds `..` or backslashes, or is a name that the registry uses itself.
    """
    pure = PurePosixPath(path)
    if not path or pure.is_absolute() or ".." in pure.parts or "\\" in path or "\0" in path or str(pure) != path:
        raise InvalidError(f"file '{path[:120]}' of the artefact: expected a relative path with '/', without '..'")
    if pure.parts[0] in (MANIFEST, SIGNATURES):
        raise InvalidError(f"file '{path[:120]}' of the artefact: the registry keeps that name for itself", path=path)
    return path


def no_pickle(path: str, source: Path) -> None:
    """Refuse a file that runs code when it is loaded.

    Raises:
        UntrustedError: It is a pickle by its name or its bytes, or a zip archive (PyTorch's) that holds one.
    """
    if _is_pickle(path, source):
        raise UntrustedError(
            f"file '{path}' is a pickle: loading one runs whatever its author wrote. "
            "Convert the model to ONNX or save it with skops",
            path=path,
        )


def _is_pickle(path: str, source: Path) -> bool:
    if recognised.named_pickle(path):
        return True
    with source.open("rb") as file:
        head = file.read(recognised.HEAD_BYTES)
    if head.startswith(recognised.ARCHIVE) and zipfile.is_zipfile(source):
        with zipfile.ZipFile(source) as archive:
            return recognised.pickle_among(archive.namelist()) is not None
    return recognised.is_pickle(head)  # an old one could be any two words: what is loaded as a model is looked at there
