"""Which digests a folder itself names for its files: manifests, checksum lists, OCI descriptors, names by digest."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MANIFESTS = ("plumbline.json", "manifest.json")
_LISTS = re.compile(r"sha256sums?(\.txt)?|checksums?(\.txt|\.sha256)?|.*\.sha256(sum)?", re.IGNORECASE)
_LINE = re.compile(r"(?:sha256:)?([0-9a-fA-F]{64})(?:\s+\*?(.+?))?\s*")
_ADDRESSED = re.compile(r"(?:^|/)(?:([0-9a-f]{2})/([0-9a-f]{62})|([0-9a-f]{64}))(?:/data)?$")
"""Where the name is the digest: this registry and OCI layouts; Docker's registry (`…/data`); a Hugging Face cache."""
_MOST_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Expected:
    """One file, and what it must be.

    Args:
        path: Where it lies.
        name: What it is called.
        digest: `sha256:…`; None: nobody says.
        size: In bytes; None: nobody says.
        needed: Whether something uses it now.
    """

    path: Path
    name: str
    digest: str | None = None
    size: int | None = None
    needed: bool = True


def of(place: Path, most: int) -> list[Expected]:
    """Return the files of an artefact, those with a known digest first.

    Args:
        place: A file or a folder.
        most: Files to return at most.

    Raises:
        OSError: It cannot be listed.
    """
    folder = place.parent if place.is_file() else place
    known = {one.path: one for one in _named(folder, place)}
    found = [place] if place.is_file() else _files(place, most)
    for path in found:
        name = path.relative_to(folder).as_posix()
        by_name = _ADDRESSED.search(name)
        digest = f"sha256:{''.join(part or '' for part in by_name.groups())}" if by_name else None
        known.setdefault(path, Expected(path, name, digest))
    if place.is_file():
        known = {path: one for path, one in known.items() if path == place}
    return sorted(known.values(), key=lambda one: (one.digest is None, one.name))[:most]


def _files(folder: Path, most: int) -> list[Path]:
    found = []
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            found.append(path)
        if len(found) == most:
            break
    return found


def _named(folder: Path, place: Path) -> Iterator[Expected]:
    """Yield what the folder's own documents say of its files."""
    documents = [folder] if place.is_file() else [folder, *(one for one in folder.glob("*") if one.is_dir())]
    for inside in documents:
        for path in inside.iterdir():
            if path.name in MANIFESTS:
                yield from _manifest(folder, inside, path)
            elif _LISTS.fullmatch(path.name) and path.is_file():
                yield from _list(folder, inside, path)
    if (folder / "oci-layout").is_file():
        yield from _layout(folder)


def _manifest(folder: Path, inside: Path, path: Path) -> Iterator[Expected]:
    body = _json(path)
    files = body.get("files") if isinstance(body, dict) else None
    for one in files if isinstance(files, list) else ():
        if isinstance(one, dict) and isinstance(one.get("path"), str) and isinstance(one.get("digest"), str):
            size = one["size"] if isinstance(one.get("size"), int) else None
            yield from _expected(folder, inside, inside / one["path"], one["digest"], size)


def _list(folder: Path, inside: Path, path: Path) -> Iterator[Expected]:
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        if found := _LINE.fullmatch(line):
            name = found[2] or path.with_suffix("").name
            yield from _expected(folder, inside, inside / name, f"sha256:{found[1].lower()}", None)


def _layout(folder: Path) -> Iterator[Expected]:
    """Follow descriptors from the index, as far as documents can be read: a damaged one is found by its own digest."""
    waiting, seen = [_json(folder / "index.json")], set()
    while waiting:
        for one in _descriptors(waiting.pop()):
            digest, size = one.get("digest"), one.get("size")
            if not isinstance(digest, str) or digest in seen or not digest.startswith("sha256:"):
                continue
            seen.add(digest)
            path = folder / "blobs" / "sha256" / digest.removeprefix("sha256:")
            yield from _expected(folder, folder, path, digest, size if isinstance(size, int) else None)
            if str(one.get("mediaType", "")).endswith(("index.v1+json", "manifest.v1+json", "list.v2+json", "v2+json")):
                waiting.append(_json(path))


def _descriptors(body: Any) -> list[dict[str, Any]]:
    if not isinstance(body, dict):
        return []
    lists = [body.get(key) for key in ("manifests", "layers")]
    found = [one for some in lists if isinstance(some, list) for one in some]
    return [one for one in (*found, body.get("config")) if isinstance(one, dict)]


def _expected(folder: Path, inside: Path, path: Path, digest: str, size: int | None) -> Iterator[Expected]:
    if inside.resolve() in path.resolve().parents:  # a manifest that points outside of its folder is not followed
        yield Expected(path, path.relative_to(folder).as_posix(), digest, size)


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes()) if path.stat().st_size <= _MOST_BYTES else None
    except (OSError, ValueError):
        return None
