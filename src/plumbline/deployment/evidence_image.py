"""What an image weighs, and what of it a model server needs not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from plumbline.deployment.core.errors import DeploymentError
from plumbline.deployment.packaging.reading import Image, images
from plumbline.deployment.probes.ballast import Kind, kind
from plumbline.deployment.probes.imagetree import Tree, distributions, read
from plumbline.evidence import Endpoint, Source, UnavailableError, measured

WITHIN_S = 60.0
"""Layers are read for so long: some 10 GB unpacked."""
LIMIT = "dev.plumbline.size.limit"
"""Label of an image: bytes that a node may have to fetch for it."""
GPU = "dev.plumbline.accelerator"
"""Label of an image that is for machines with a GPU; NVIDIA's own images say so by a variable."""
_NVIDIA = ("NVIDIA_VISIBLE_DEVICES=", "NVIDIA_REQUIRE_CUDA=")
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Ballast:
    """Files of one kind that a server does without."""

    kind: str = measured("", "gpu, tools, cache, data, deleted (hidden by a higher layer) or twice")
    size: int = measured("By", "unpacked bytes of them")
    files: int = measured("{file}", "how many they are")
    biggest: str = measured("", "the biggest of them", secrecy="internal")


@dataclass(frozen=True, slots=True)
class Takes:
    """Something that takes room."""

    name: str = measured("", "a file's path, or a Python distribution with its version", secrecy="internal")
    size: int = measured("By", "its unpacked bytes")


@dataclass(frozen=True, slots=True)
class ImageRoom:
    """The room that an image takes: on the way to a node, and on its disk."""

    tag: str = measured("", "its name in the layout, or its digest", secrecy="internal")
    layers: int = measured("{layer}", "its layers")
    unread: int = measured("{layer}", "those that could not be listed: not tar or gzip, or no time")
    stored_bytes: int = measured("By", "what a node fetches that has none of its layers")
    unpacked_bytes: int = measured("By", "what all its layers take on a node's disk")
    limit_bytes: int | None = measured("By", "what it may weigh on the way, by its own label; None: it has none")
    gpu: bool = measured("1", "whether it says that it is for machines with a GPU")
    ballast: tuple[Ballast, ...] = measured("", "what a server does without, the heaviest kind first")
    biggest: tuple[Takes, ...] = measured("", "the five biggest files that a container sees")
    distributions: tuple[Takes, ...] = measured("", "the five biggest Python distributions")
    bytecode_bytes: int = measured("By", "`__pycache__`: it shortens a start, and is no ballast")
    sources: ClassVar[tuple[Source, ...]] = ()


def image_from_layout(endpoint: Endpoint) -> ImageRoom:
    """Read an OCI layout: its heaviest image, layer on layer. Nothing is executed.

    Raises:
        UnavailableError: There is no layout, or it holds no image.
    """
    layout = Path(endpoint.artefact or "")
    try:
        found = [one for one in images(layout) if one.config.get("rootfs") and one.manifest["layers"]]
    except DeploymentError as error:
        raise UnavailableError("unreachable", f"{error.sentence}; make one: skopeo copy docker://… oci:DIR") from None
    except PermissionError as error:
        raise UnavailableError("permission", f"{error.filename} may not be read by this user") from None
    if not found:
        raise UnavailableError("not_configured", f"{layout} holds artefacts and no image")
    return room(layout, max(found, key=_stored), WITHIN_S)


def room(layout: Path, image: Image, within_s: float) -> ImageRoom:
    """Return what takes the room of an image."""
    said = image.config.get("config") or {}
    labels, variables = said.get("Labels") or {}, said.get("Env") or []
    gpu = bool(labels.get(GPU)) or any(str(one).startswith(_NVIDIA) for one in variables)
    tree = read(layout, image, within_s)
    limit = str(labels.get(LIMIT, ""))
    return ImageRoom(
        tag=image.tag or image.digest[:19],
        layers=len(image.manifest["layers"]),
        unread=tree.unread,
        stored_bytes=_stored(image),
        unpacked_bytes=tree.unpacked,
        limit_bytes=int(limit) if limit.isascii() and limit.isdigit() else None,
        gpu=gpu,
        ballast=_ballast(tree, gpu=gpu),
        biggest=_most((path, one.size) for path, one in tree.files.items()),
        distributions=_most(distributions(tree).items()),
        bytecode_bytes=sum(one.size for path, one in tree.files.items() if path.endswith(".pyc")),
    )


def _stored(image: Image) -> int:
    layers: list[dict[str, Any]] = image.manifest["layers"]
    return sum(int(one["size"]) for one in layers)


def _ballast(tree: Tree, *, gpu: bool) -> tuple[Ballast, ...]:
    """Sort files into kinds; each counts once, and of equal ones the first is needed."""
    found: dict[Kind, list[tuple[str, int]]] = {"deleted": tree.hidden} if tree.hidden else {}
    seen: set[str] = set()
    for path, kept in sorted(tree.files.items()):
        which = kind(path, gpu=gpu)
        if which is None and kept.digest:
            which = "twice" if kept.digest in seen else None
            seen.add(kept.digest)
        if which is not None:
            found.setdefault(which, []).append((path, kept.size))
    kinds = [
        Ballast(which, sum(size for _, size in some), len(some), max(some, key=lambda one: one[1])[0])
        for which, some in found.items()
    ]
    return tuple(sorted(kinds, key=lambda one: -one.size))


def _most(some: Iterable[tuple[str, int]]) -> tuple[Takes, ...]:
    return tuple(Takes(name, size) for name, size in sorted(some, key=lambda one: (-one[1], one[0]))[:_SHOWN])


ImageRoom.sources = (
    Source(frozenset({"artefact"}), "layers of the OCI layout {artefact}, none is executed", image_from_layout),
)
