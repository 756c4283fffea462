"""Distributions of the environment that packages: their files as their RECORD lists them, each checked against it."""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from plumbline.deployment.core.errors import CorruptError, InvalidError
from plumbline.deployment.packaging.distributions import UNWANTED, Distribution

OWN = "plumbline"


@dataclass(slots=True)
class Installed:
    """The distributions of this Python's environment.

    Args:
        paths: Folders to look in; None for those of this process.
    """

    paths: list[str] | None = None
    _known: dict[str, Distribution | None] = field(default_factory=dict)

    def find(self, name: str) -> Distribution | None:
        """Return a distribution, or None.

        Raises:
            InvalidError: It is installed from a source tree (editable), and is not Plumbline itself.
            CorruptError: A file is not the one that was installed; the sentence names it.
        """
        if sys.platform != "linux":
            raise InvalidError(
                "packages for Linux cannot be taken from this system: give --wheels DIR with their wheels"
            )
        if name not in self._known:
            found = importlib.metadata.distributions(name=name, path=sys.path if self.paths is None else self.paths)
            self._known[name] = next((_read(one) for one in found), None)
        return self._known[name]


def _read(found: importlib.metadata.Distribution) -> Distribution:
    name, version = found.metadata["Name"], found.version
    files = _source_tree(found) if _editable(found) else _recorded(found)
    return Distribution(
        name,
        version,
        tuple(found.requires or ()),
        tuple(files),
        _info(found, name, version),
        licence(found.metadata),
    )


def licence(metadata: importlib.metadata.PackageMetadata) -> str:
    """Return the licence that metadata names: SPDX expression, short name or classifier; empty if none."""
    given = [*(metadata.get_all("License-Expression") or ()), *(metadata.get_all("License") or ()), ""]
    said = str(given[0])
    if said and "\n" not in said and len(said) <= 80:
        return said
    classes = [one for one in metadata.get_all("Classifier") or [] if one.startswith("License ::")]
    return classes[0].rsplit(" :: ", 1)[-1] if classes else ""


def _info(found: importlib.metadata.Distribution, name: str, version: str) -> str:
    for file in found.files or ():
        if file.parts[0].endswith(".dist-info"):
            return str(file.parts[0])
    return f"{name.replace('-', '_')}-{version}.dist-info"


def _editable(found: importlib.metadata.Distribution) -> bool:
    text = found.read_text("direct_url.json")
    editable = bool(text and json.loads(text).get("dir_info", {}).get("editable"))
    if editable and found.metadata["Name"] != OWN:
        raise InvalidError(
            f"{found.metadata['Name']} is installed from a source tree that may change under the image: "
            "build its wheel and give --wheels, or install it",
            package=found.metadata["Name"],
        )
    return editable


def _recorded(found: importlib.metadata.Distribution) -> list[tuple[str, bytes | Path, bool]]:
    kept: list[tuple[str, bytes | Path, bool]] = []
    for file in found.files or ():
        if ".." in file.parts or "__pycache__" in file.parts or file.is_absolute():
            continue
        if file.parts[0].endswith(".dist-info") and file.name in UNWANTED:
            continue
        path = Path(str(file.locate()))
        _check(found, str(file), path, file.hash)
        kept.append((file.as_posix(), path, os.access(path, os.X_OK)))
    if not kept:
        raise InvalidError(f"{found.metadata['Name']} has no RECORD of its files: reinstall it with pip")
    return kept


def _check(
    found: importlib.metadata.Distribution, name: str, path: Path, expected: importlib.metadata.FileHash | None
) -> None:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CorruptError(f"{found.metadata['Name']}: installed file {name} cannot be read: {error}") from error
    if expected is None or expected.mode != "sha256":
        return
    actual = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    if actual != expected.value:
        raise CorruptError(
            f"{found.metadata['Name']}: file {name} is not the one that was installed; reinstall the package",
            package=found.metadata["Name"],
            path=name,
        )


def _source_tree(found: importlib.metadata.Distribution) -> list[tuple[str, bytes | Path, bool]]:
    root = Path(__file__).resolve().parents[2]
    files = [
        (path.relative_to(root.parent).as_posix(), path, False)
        for path in sorted(root.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    ]
    info = _info(found, OWN, found.version)
    return [*files, (f"{info}/METADATA", (found.read_text("METADATA") or "").encode(), False)]
