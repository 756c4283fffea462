"""What is to run on a cluster, before it is put into any tool's words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from plumbline.deployment.core.digests import checked, short
from plumbline.deployment.core.errors import InvalidError
from plumbline.deployment.core.semver import parse

_NAME = re.compile(r"[a-z]([-a-z0-9]{0,40}[a-z0-9])?")
"""A DNS label, short enough for `-preview` and what controllers append within its 63 characters (RFC 1035)."""
_IMAGE = re.compile(r"[\w.:/-]+@sha256:[0-9a-f]{64}")
_MODEL = re.compile(r"oci://[\w.:/-]+@sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a version that is being rolled out must keep, as its server's metrics tell.

    Args:
        error_share: Of requests that reached it and were not refused for what the caller sent, 0 to 1.
        p99_s: 99 of 100 predictions are quicker, in seconds.
        requests: Fewer in the window say nothing: the analysis is inconclusive, and the rollout pauses.
        window_s: What one look sees, in seconds.
        looks: How many looks there are.
    """

    error_share: float = 0.01
    p99_s: float = 0.25
    requests: int = 300
    window_s: int = 60
    looks: int = 5

    def __post_init__(self) -> None:
        if not (0 < self.error_share < 1 and self.p99_s > 0 and self.requests > 0):
            raise InvalidError("limits: an error share between 0 and 1, a time and a number of requests above 0")
        if self.window_s < 10 or self.looks < 1:
            raise InvalidError("limits: a window of at least 10 s and at least one look")


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One version of a model, and how it shall run.

    Args:
        name: Of all objects.
        namespace: Where they live.
        model: What callers name in the path.
        version: Semantic version.
        digest: Of its manifest.
        image: The server's image with the model in it (for KServe: the server's image), by digest.
        storage_uri: For KServe: where the model lies, `oci://…@sha256:…`.
        replicas: Pods.
        cpu: Requested, in cores; also the limit of threads that make sense.
        memory_mi: Requested and limited, in MiB.
        canary_percent: Share of requests of a first step, 1 to 99.
        weights: Shares of an Argo canary's steps in percent, rising; by default `canary_percent` and 50.
        previous: For KServe's standard mode: the `storage_uri` that goes on serving beside the canary.
        prometheus: Where Argo Rollouts asks.
        limits: What the new version must keep.
        callers: Labels of the pods that may call; empty: every pod of the namespace.
        monitoring: Label `kubernetes.io/metadata.name` of the namespace from which metrics are read.
        drain_s: How long requests in flight may take at the end, in seconds.

    Raises:
        InvalidError: A name that Kubernetes refuses, an image or artefact without a digest, or a number out of range.
    """

    name: str
    model: str
    version: str
    digest: str
    image: str
    namespace: str = "default"
    storage_uri: str | None = None
    replicas: int = 3
    cpu: float = 1.0
    memory_mi: int = 512
    canary_percent: int = 10
    weights: tuple[int, ...] = ()
    previous: str | None = None
    prometheus: str = "http://prometheus-operated.monitoring.svc:9090"
    limits: Limits = field(default_factory=Limits)
    callers: Mapping[str, str] = field(default_factory=dict)
    monitoring: str = "monitoring"
    drain_s: int = 30

    def __post_init__(self) -> None:
        for what, text in (("name", self.name), ("namespace", self.namespace), ("monitoring", self.monitoring)):
            if not _NAME.fullmatch(text):
                raise InvalidError(
                    f"{what} '{text[:80]}': lower-case letters, digits and '-', at most 42 of them", field=what
                )
        checked(self.digest)
        parse(self.version)
        if not _IMAGE.fullmatch(self.image):
            raise InvalidError(
                f"image '{self.image[:120]}' has no digest; a tag may be another image tomorrow", field="image"
            )
        for what, uri in (("storage_uri", self.storage_uri), ("previous", self.previous)):
            if uri is not None and not _MODEL.fullmatch(uri):
                raise InvalidError(f"{what} '{uri[:120]}': expected oci://registry/name@sha256:…", field=what)
        if not (self.replicas >= 1 and 1 <= self.canary_percent <= 99 and self.drain_s >= 1):
            raise InvalidError("at least 1 replica, a canary of 1 to 99 percent, at least 1 s to drain")
        if any(not 1 <= one <= 99 for one in self.weights) or sorted(set(self.weights)) != list(self.weights):
            raise InvalidError("weights of a canary rise, between 1 and 99 percent", field="weights")
        if not (self.cpu > 0 and self.memory_mi >= 64):
            raise InvalidError("cpu above 0 and at least 64 MiB of memory")

    @property
    def series(self) -> str:
        """How the server's metrics name the version."""
        return f"{self.version}+{short(self.digest)}"

    @property
    def selector(self) -> dict[str, str]:
        """Labels that find its pods, of any version."""
        return {"app.kubernetes.io/name": self.name, "app.kubernetes.io/component": "model-server"}

    @property
    def labels(self) -> dict[str, str]:
        """Labels of its objects; `+` may not stand in one."""
        return {**self.selector, "app.kubernetes.io/version": self.series.replace("+", "_")}
