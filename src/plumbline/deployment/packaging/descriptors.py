"""The words of the OCI image specification 1.1 that we write and read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
EMPTY = "application/vnd.oci.empty.v1+json"

TAG = "org.opencontainers.image.ref.name"
TITLE = "org.opencontainers.image.title"
VERSION = "org.opencontainers.image.version"
CREATED = "org.opencontainers.image.created"
REVISION = "org.opencontainers.image.revision"
MODEL_DIGEST = "dev.plumbline.model.digest"
"""The registry's identity of the version inside: that of its manifest."""

DOCKER = {
    "application/vnd.docker.distribution.manifest.list.v2+json": INDEX,
    "application/vnd.docker.distribution.manifest.v2+json": MANIFEST,
}
"""Older names of the same documents, as they stand in layouts that other tools wrote."""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What names a blob: its kind, digest and size.

    Args:
        media_type: What the bytes are.
        digest: Of the bytes.
        size: In bytes.
        annotations: Facts about it, by key.
        artifact_type: Of a manifest that is no image.
        platform: Of an image: `architecture` and `os`.
    """

    media_type: str
    digest: str
    size: int
    annotations: Mapping[str, str] = field(default_factory=dict)
    artifact_type: str | None = None
    platform: Mapping[str, str] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        body: dict[str, Any] = {"mediaType": self.media_type, "digest": self.digest, "size": self.size}
        if self.artifact_type is not None:
            body["artifactType"] = self.artifact_type
        if self.annotations:
            body["annotations"] = dict(self.annotations)
        if self.platform is not None:
            body["platform"] = dict(self.platform)
        return body


def timestamp(seconds: float) -> str:
    """Return Unix time as RFC 3339, in UTC and whole seconds."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
