"""Distributions from a folder of wheels, as `pip download` or `pip wheel` fill one."""

from __future__ import annotations

import hashlib
import stat
import zipfile
from dataclasses import dataclass, field
from email.parser import Parser
from importlib.metadata import PackageMetadata
from pathlib import Path
from typing import cast

from packaging.tags import sys_tags
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from plumbline.deployment.core.errors import CorruptError, InvalidError, NotFoundError
from plumbline.deployment.packaging.distributions import UNWANTED, Distribution
from plumbline.deployment.packaging.installed import licence

_SCHEMES = ("purelib", "platlib")


@dataclass(slots=True)
class Wheelhouse:
    """The wheels of a folder that fit this Python.

    Args:
        folder: The folder.
    """

    folder: Path
    _paths: dict[str, Path] = field(default_factory=dict)
    _known: dict[str, Distribution] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.folder.is_dir():
            raise NotFoundError(f"there is no folder {self.folder} with wheels", path=str(self.folder))
        fitting = set(sys_tags())
        for path in sorted(self.folder.glob("*.whl")):
            try:
                name, _, _, tags = parse_wheel_filename(path.name)
            except InvalidWheelFilename as error:
                raise InvalidError(f"{path.name} is not named as wheels are: {error}") from error
            if not tags & fitting:
                continue
            if name in self._paths:
                raise InvalidError(
                    f"{self.folder} has two wheels of {name}, {self._paths[name].name} and {path.name}: keep one",
                    package=name,
                )
            self._paths[name] = path

    def find(self, name: str) -> Distribution | None:
        """Return a distribution, or None if no wheel of it fits.

        Raises:
            CorruptError: The wheel is no whole zip file, or has no metadata.
        """
        if name not in self._known and name in self._paths:
            self._known[name] = _read(self._paths[name])
        return self._known.get(name)


def _read(path: Path) -> Distribution:
    try:
        data = path.read_bytes()
        with zipfile.ZipFile(path) as archive:
            info = next(name.split("/")[0] for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
            text = archive.read(f"{info}/METADATA").decode()
            files = tuple(file for member in archive.infolist() if (file := _member(archive, member)) is not None)
    except (zipfile.BadZipFile, StopIteration, UnicodeDecodeError) as error:
        raise CorruptError(f"{path.name} is no whole wheel: {error or 'it has no METADATA'}", path=path.name) from error
    metadata = cast("PackageMetadata", Parser().parsestr(text))
    return Distribution(
        metadata["Name"],
        metadata["Version"],
        tuple(metadata.get_all("Requires-Dist") or ()),
        files,
        info,
        licence(metadata),
        f"sha256:{hashlib.sha256(data).hexdigest()}",
    )


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> tuple[str, bytes, bool] | None:
    parts = member.filename.split("/")
    if member.is_dir() or (parts[0].endswith(".dist-info") and parts[-1] in UNWANTED):
        return None
    if parts[0].endswith(".data"):
        if parts[1] not in _SCHEMES:
            return None
        parts = parts[2:]
    executable = bool((member.external_attr >> 16) & stat.S_IXUSR)
    return "/".join(parts), archive.read(member), executable
