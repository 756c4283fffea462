"""Write an OCI image layout: `oci-layout`, `index.json` and blobs by digest. Pure Python, no engine."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, cast

from plumbline.deployment.core.digests import digest_of
from plumbline.deployment.core.encoding import encode
from plumbline.deployment.core.errors import CorruptError
from plumbline.deployment.packaging.archive import Compression, Entry, compressed, write
from plumbline.deployment.packaging.descriptors import INDEX, LAYER, MANIFEST, TAG, Descriptor

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer that has been written.

    Args:
        descriptor: Of the stored bytes.
        diff_id: Digest of the uncompressed tar, as an image's configuration lists it.
        created_by: What it holds, for the image's history.
    """

    descriptor: Descriptor
    diff_id: str
    created_by: str


@dataclass(slots=True)
class Writer:
    """Writes one layout into a folder that nobody reads yet; `finish` puts the index in its place.

    Args:
        folder: An existing, empty folder.
    """

    folder: Path
    _tagged: list[Descriptor] = field(default_factory=list)

    def __post_init__(self) -> None:
        (self.folder / "blobs" / "sha256").mkdir(parents=True)

    def blob(self, data: bytes, media_type: str, **annotations: str) -> Descriptor:
        """Store bytes and return what names them."""
        return self._stored(io.BytesIO(data), media_type, annotations)

    def document(self, value: Any, media_type: str) -> Descriptor:
        """Store a value as canonical JSON."""
        return self.blob(encode(value), media_type)

    def file(self, path: Path, media_type: str, expect: str, **annotations: str) -> Descriptor:
        """Store a file whose digest is known.

        Raises:
            CorruptError: The bytes are others.
        """
        with path.open("rb") as file:
            stored = self._stored(file, media_type, annotations)
        if stored.digest != expect:
            raise CorruptError(
                f"{path.name} is {stored.digest}, but {expect} was expected: the file was altered or cut short",
                path=path.name,
                expected=expect,
                actual=stored.digest,
            )
        return stored

    def layer(self, entries: Iterable[Entry], created_by: str, *, mtime: int, compression: Compression) -> Layer:
        """Store files as one layer."""
        with self._temporary() as (out, path):
            whole = _Hashing(compressed(out, compression))
            write(entries, cast("BinaryIO", whole), mtime=mtime)
            if compression != "none":
                whole.inner.close()
            out.flush()
            media_type = LAYER if compression == "none" else f"{LAYER}+{compression}"
            diff_id = f"sha256:{whole.state.hexdigest()}"
            known = diff_id if compression == "none" else None
            return Layer(self._placed(path, media_type, known), diff_id, created_by)

    def manifest(
        self,
        config: Descriptor,
        layers: Iterable[Descriptor],
        *,
        tag: str | None,
        annotations: Mapping[str, str],
        artifact_type: str | None = None,
        subject: Descriptor | None = None,
        platform: Mapping[str, str] | None = None,
    ) -> Descriptor:
        """Store a manifest and list it in the index.

        Args:
            config: Its configuration.
            layers: Its layers, the lowest first.
            tag: Name in the index; None for one that is found through its subject.
            annotations: Of the manifest.
            artifact_type: What it is, if no image.
            subject: The manifest that this one says something about.
            platform: Of an image.
        """
        body: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config.as_dict(),
            "layers": [layer.as_dict() for layer in layers],
            "annotations": dict(annotations),
        }
        if artifact_type is not None:
            body["artifactType"] = artifact_type
        if subject is not None:
            body["subject"] = subject.as_dict()
        stored = self.document(body, MANIFEST)
        named = {TAG: tag} if tag is not None else {}
        self._tagged.append(replace(stored, annotations=named, artifact_type=artifact_type, platform=platform))
        return stored

    def finish(self) -> str:
        """Write index and marker, and return the index's digest."""
        index = {
            "schemaVersion": 2,
            "mediaType": INDEX,
            "manifests": [one.as_dict() for one in self._tagged],
        }
        data = encode(index)
        (self.folder / "index.json").write_bytes(data)
        (self.folder / "oci-layout").write_text(json.dumps({"imageLayoutVersion": "1.0.0"}), encoding="utf-8")
        return digest_of(data)

    def _stored(self, source: BinaryIO, media_type: str, annotations: Mapping[str, str]) -> Descriptor:
        with self._temporary() as (out, path):
            state = hashlib.sha256()
            while chunk := source.read(_CHUNK):
                state.update(chunk)
                out.write(chunk)
            out.flush()
            return replace(self._placed(path, media_type, f"sha256:{state.hexdigest()}"), annotations=dict(annotations))

    def _temporary(self) -> _Temporary:
        return _Temporary(self.folder / "blobs")

    def _placed(self, path: Path, media_type: str, digest: str | None) -> Descriptor:
        if digest is None:
            with path.open("rb") as file:
                digest = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
        size = path.stat().st_size
        path.chmod(0o644)
        path.replace(self.folder / "blobs" / "sha256" / digest.removeprefix("sha256:"))
        return Descriptor(media_type, digest, size)


class _Temporary:
    """A file beside the blobs that is gone unless it was renamed."""

    def __init__(self, folder: Path) -> None:
        number, name = tempfile.mkstemp(dir=folder, prefix=".", suffix=".part")
        self._file, self._path = os.fdopen(number, "wb"), Path(name)

    def __enter__(self) -> tuple[BinaryIO, Path]:
        return self._file, self._path

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)


class _Hashing:
    """Writes on, and knows the digest of what went through."""

    def __init__(self, inner: BinaryIO | gzip.GzipFile) -> None:
        self.inner, self.state, self._at = inner, hashlib.sha256(), 0

    def write(self, data: bytes) -> int:
        self.state.update(data)
        self._at += len(data)
        return self.inner.write(data)

    def tell(self) -> int:
        return self._at
