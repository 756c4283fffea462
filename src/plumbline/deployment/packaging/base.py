"""What an image stands on: another image in an OCI layout, a root filesystem as tar file or folder, or nothing."""

from __future__ import annotations

import hashlib
import sys
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from plumbline.deployment.core.errors import InvalidError, NotFoundError
from plumbline.deployment.packaging import reading
from plumbline.deployment.packaging.archive import Entry, relative
from plumbline.deployment.packaging.descriptors import LAYER, Descriptor
from plumbline.deployment.packaging.interpreter import architecture
from plumbline.deployment.packaging.layout import Layer, Writer

_NONE = "none"


@dataclass(frozen=True, slots=True)
class Base:
    """The lowest layers of an image.

    Args:
        name: As it was given, without the folder it stands in.
        digest: What it is: of its manifest, or of its tar file.
        layers: Written into the new layout already.
        python: Path of the interpreter in it.
        environment: Variables it sets, by name.
    """

    name: str
    digest: str
    layers: tuple[Layer, ...]
    python: str
    environment: Mapping[str, str] = field(default_factory=dict)


def take(given: str, writer: Writer, *, mtime: int) -> Base | None:
    """Copy a base into a layout, every blob compared with its digest.

    Args:
        given: `none`, an OCI layout as `FOLDER` or `FOLDER:TAG`, or a root filesystem: a folder or a `.tar`.
        writer: Of the new layout.
        mtime: Time of the files of a folder, in Unix seconds.

    Returns:
        The base, None for `none`.

    Raises:
        NotFoundError: There is no such path, tag or no Python like ours in it.
        InvalidError: It is for another architecture, or its layers cannot be listed.
        CorruptError: A blob was altered.
    """
    if given == _NONE:
        return None
    whole, (folder, _, tag) = Path(given), given.rpartition(":")
    if (whole / "oci-layout").is_file():
        return _image(whole, None, writer)
    if folder and (Path(folder) / "oci-layout").is_file():
        return _image(Path(folder), tag, writer)
    if whole.is_dir():
        return _folder(whole, writer, mtime)
    if whole.is_file() and tarfile.is_tarfile(whole):
        return _tar(whole, writer)
    raise NotFoundError(
        f"base '{given}' is neither 'none' nor an OCI layout (FOLDER[:TAG]) nor a root filesystem (folder, .tar)",
        base=given,
    )


def _image(layout: Path, tag: str | None, writer: Writer) -> Base:
    one = reading.image(layout, tag)
    here, there = architecture(), one.config.get("architecture")
    if there != here or one.config.get("os", "linux") != "linux":
        raise InvalidError(f"base {one.tag or layout.name} is for {one.config.get('os')}/{there}, this is linux/{here}")
    diff_ids = one.config["rootfs"]["diff_ids"]
    layers, names = [], set[str]()
    for number, (described, diff_id) in enumerate(zip(one.manifest["layers"], diff_ids, strict=True)):
        path = reading.blob(layout, described["digest"])
        stored = writer.file(path, described["mediaType"].replace(*_OLDER), described["digest"])
        created_by = f"base {one.tag or layout.name}, layer {number}"
        layers.append(Layer(stored, diff_id, created_by))
        names = _after(names, path)
    config = one.config.get("config") or {}
    return Base(
        one.tag or layout.name, one.digest, tuple(layers), _python(names, layout), dict(_variables(config.get("Env")))
    )


_OLDER = ("application/vnd.docker.image.rootfs.diff.tar.gzip", f"{LAYER}+gzip")


def _tar(path: Path, writer: Writer) -> Base:
    with path.open("rb") as file:
        digest = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    with path.open("rb") as file:
        if file.read(2) == b"\x1f\x8b":
            raise InvalidError(f"base {path.name} is compressed: unpack it to a plain .tar first (gunzip)")
    stored: Descriptor = writer.file(path, LAYER, digest)
    return Base(path.name, digest, (Layer(stored, digest, f"base {path.name}"),), _python(_after(set(), path), path))


def _folder(root: Path, writer: Writer, mtime: int) -> Base:
    layer = writer.layer(_walk(root), f"base {root.name}", mtime=mtime, compression="none")
    names = _after(set(), reading.blob(writer.folder, layer.descriptor.digest))
    return Base(root.name, layer.diff_id, (layer,), _python(names, root))


def _walk(root: Path) -> Iterator[Entry]:
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_symlink():
            yield Entry(name, link=str(path.readlink()))
        elif path.is_dir():
            yield Entry(name, mode=path.stat().st_mode & 0o7777)
        elif path.is_file():
            yield Entry(name, path, mode=path.stat().st_mode & 0o7777)


def _after(names: set[str], path: Path) -> set[str]:
    """Return the paths of programs called python after a layer: what it adds, without what it removes (`.wh.`)."""
    try:
        with tarfile.open(path, mode="r|*") as archive:
            for member in archive:
                folder, _, name = member.name.removeprefix("./").rpartition("/")
                if name.startswith(".wh."):
                    names.discard(f"{folder}/{name.removeprefix('.wh.')}")
                elif folder.endswith("bin") and name.startswith("python"):
                    names.add(relative(f"{folder}/{name}"))
    except (tarfile.TarError, OSError) as error:
        raise InvalidError(f"a layer of the base cannot be listed ({error}): only tar and gzip can be read") from error
    return names


def _python(names: set[str], where: Path) -> str:
    wanted = f"python{sys.version_info.major}.{sys.version_info.minor}"
    found = sorted((name for name in names if name.endswith(f"/{wanted}")), key=lambda name: (len(name), name))
    if not found:
        has = ", ".join(sorted(names)) or "no Python"
        raise NotFoundError(
            f"base {where} has no {wanted} (but {has}), and the packages are compiled for it: "
            "take a base that has, or --base none",
            wanted=wanted,
        )
    return f"/{next((name for name in found if name.startswith('usr/local/')), found[0])}"


def _variables(given: Any) -> Iterator[tuple[str, str]]:
    for text in given or ():
        name, _, value = str(text).partition("=")
        yield name, value
