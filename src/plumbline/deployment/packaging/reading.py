"""Read an OCI image layout that anybody wrote: its manifests, whether its bytes are whole, what takes the room."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plumbline.deployment.core.digests import checked
from plumbline.deployment.core.errors import CorruptError, InvalidError, NotFoundError
from plumbline.deployment.packaging.descriptors import DOCKER, INDEX, MANIFEST, TAG, TITLE

_MOST = 64 << 20
"""Bytes of a JSON document: what is larger is no manifest. Registries refuse them above 4 MiB."""
_DEEPEST = 3
"""Indexes inside indexes: one is common, more is rare, and without end is an attack."""


@dataclass(frozen=True, slots=True)
class Image:
    """A manifest of a layout, with what it points at.

    Args:
        tag: Its name in the index, None if it has none.
        digest: Of the manifest.
        manifest: Its JSON.
        config: JSON of its configuration, empty for artefacts whose configuration is no JSON object.
    """

    tag: str | None
    digest: str
    manifest: dict[str, Any]
    config: dict[str, Any]


@dataclass(frozen=True, slots=True)
class LayerSize:
    """One layer and the room it takes.

    Args:
        tag: Of the image or artefact.
        digest: Of the layer.
        media_type: What it is.
        size: Stored bytes: what is pulled.
        holds: What its history or title says of it, empty if nothing does.
    """

    tag: str | None
    digest: str
    media_type: str
    size: int
    holds: str


def blob(layout: Path, digest: str) -> Path:
    """Return the path of a blob, whether it exists or not."""
    return layout / "blobs" / "sha256" / checked(digest).removeprefix("sha256:")


def images(layout: Path) -> list[Image]:
    """Return all manifests of a layout, in the index's order; nested indexes are followed.

    Raises:
        NotFoundError: The folder is no layout.
        CorruptError: A document is missing, altered or no JSON.
    """
    return [
        Image(tag, described["digest"], manifest, _config(layout, manifest))
        for tag, described, manifest in _manifests(layout, _index(layout), None, 0)
    ]


def image(layout: Path, tag: str | None = None) -> Image:
    """Return the image of a tag, or the only one.

    Raises:
        NotFoundError: None has that tag, or several could be meant.
    """
    found = [one for one in images(layout) if (one.tag == tag if tag else one.config.get("rootfs"))]
    if len(found) != 1:
        tags = ", ".join(sorted(one.tag for one in images(layout) if one.tag)) or "none"
        what = f"an image '{tag}'" if tag else "one image"
        raise NotFoundError(f"{layout} does not hold {what}, but {len(found)}; tags there: {tags}", tags=tags)
    return found[0]


def verify(layout: Path) -> int:
    """Compare every blob that the index leads to with its digest and size.

    Returns:
        Number of blobs compared.

    Raises:
        CorruptError: One is missing, cut short or altered; the sentence names it and what it is.
    """
    seen: dict[str, str] = {}
    for one in images(layout):
        name = one.tag or one.digest
        seen.setdefault(one.digest, f"the manifest of {name}")
        parts = [("the configuration", one.manifest["config"])]
        parts += [(_holds(one, number), layer) for number, layer in enumerate(one.manifest["layers"])]
        for what, described in parts:
            if described["digest"] not in seen:
                _compare(layout, described, f"{what or 'a layer'} of {name}")
                seen[described["digest"]] = what
    return len(seen)


def sizes(layout: Path) -> list[LayerSize]:
    """Return every layer of every image and artefact with its stored size, the lowest layer first."""
    return [
        LayerSize(one.tag, layer["digest"], layer["mediaType"], layer["size"], _holds(one, number))
        for one in images(layout)
        for number, layer in enumerate(one.manifest["layers"])
    ]


def biggest(layout: Path, digest: str, depth: int = 4) -> list[tuple[str, int]]:
    """Return the folders and files of a layer by the unpacked bytes they hold, the biggest first.

    Args:
        layout: The layout.
        digest: Of a layer that is a tar file, plain or gzip.
        depth: Path components that are told apart.

    Raises:
        InvalidError: The layer is no such file.
    """
    rooms: dict[str, int] = {}
    try:
        with tarfile.open(blob(layout, digest), mode="r|*") as archive:
            for member in archive:
                path = "/".join(member.name.removeprefix("./").split("/")[:depth])
                rooms[path] = rooms.get(path, 0) + member.size
    except (tarfile.TarError, OSError, EOFError) as error:
        raise InvalidError(f"layer {digest} cannot be listed: {error}; only tar and gzip can be read") from error
    return sorted(rooms.items(), key=lambda item: (-item[1], item[0]))


def _index(layout: Path) -> dict[str, Any]:
    if not (layout / "oci-layout").is_file():
        raise NotFoundError(f"{layout} is no OCI layout: it has no file 'oci-layout'", path=str(layout))
    return _parsed((layout / "index.json"), "index.json")


def _manifests(
    layout: Path, index: dict[str, Any], tag: str | None, depth: int
) -> Iterator[tuple[str | None, dict[str, Any], dict[str, Any]]]:
    if depth > _DEEPEST:
        raise InvalidError(f"indexes are nested more than {_DEEPEST} deep")
    for described in _list(index, "manifests", "the index"):
        name = (described.get("annotations") or {}).get(TAG) or tag
        kind = DOCKER.get(described["mediaType"], described["mediaType"])
        if kind not in {INDEX, MANIFEST}:
            continue
        _compare(layout, described, f"the manifest of {name or described['digest']}")
        body = _parsed(blob(layout, described["digest"]), described["digest"])
        if kind == INDEX:
            yield from _manifests(layout, body, name, depth + 1)
        else:
            _list(body, "layers", described["digest"])
            yield name, described, body


def _config(layout: Path, manifest: dict[str, Any]) -> dict[str, Any]:
    described = manifest.get("config")
    if not isinstance(described, dict) or not {"mediaType", "digest", "size"} <= set(described):
        raise CorruptError("a manifest has no configuration: it was not written whole")
    if not str(described["mediaType"]).endswith("json"):
        return {}
    return _parsed(blob(layout, described["digest"]), f"configuration {described['digest']}")


def _list(body: dict[str, Any], key: str, where: str) -> list[dict[str, Any]]:
    found = body.get(key)
    wanted = {"mediaType", "digest", "size"}
    if not isinstance(found, list) or not all(isinstance(one, dict) and wanted <= set(one) for one in found):
        raise CorruptError(f"{where} has no list '{key}' of descriptors: it was not written whole", where=where)
    return found


def _parsed(path: Path, what: str) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MOST:
            raise CorruptError(f"{what} is larger than {_MOST >> 20} MiB: no manifest is")
        body = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise CorruptError(f"{what} is missing from the layout {path.parents[-1]}", path=str(path)) from None
    except ValueError as error:
        raise CorruptError(f"{what} is no JSON: {error}", path=str(path)) from error
    if not isinstance(body, dict):
        raise CorruptError(f"{what} is no JSON object", path=str(path))
    return body


def _compare(layout: Path, described: dict[str, Any], what: str) -> None:
    path, expected, size = blob(layout, described["digest"]), described["digest"], described["size"]
    try:
        actual_size = path.stat().st_size
        with path.open("rb") as file:
            actual = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    except FileNotFoundError:
        raise CorruptError(f"blob {expected} is missing: {what}", digest=expected, what=what) from None
    if actual_size != size:
        raise CorruptError(
            f"blob {expected} holds {actual_size:,} bytes, but {size:,} were written: {what}",
            digest=expected,
            what=what,
            size=actual_size,
        )
    if actual != expected:
        raise CorruptError(
            f"blob {expected} was altered, its bytes are now {actual}: {what}",
            digest=expected,
            what=what,
            actual=actual,
        )


def _holds(one: Image, number: int) -> str:
    layer = one.manifest["layers"][number]
    title = (layer.get("annotations") or {}).get(TITLE)
    if title:
        return str(title)
    steps = [step for step in one.config.get("history") or [] if not step.get("empty_layer")]
    return str(steps[number].get("created_by", "")) if number < len(steps) else ""
