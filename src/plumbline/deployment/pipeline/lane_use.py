"""Where a pipeline's file says that it is switched: servers in a process, groups behind HAProxy, or a cluster."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from string import Formatter
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

from plumbline.deployment.core.errors import InvalidError
from plumbline.deployment.lanes.frontdoor import Address, server_name
from plumbline.deployment.lanes.kubernetes import Target
from plumbline.deployment.pipeline.closed import CLOSED, Count, Level, Name, Positive, Seconds, key
from plumbline.deployment.pipeline.parts import Step

START_WORDS = ("digest", "short", "host", "port", "address", "admin", "group")
"""What a start's command may name in braces; an install's may name the first two."""

_GROUP = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,30}")


@dataclass(frozen=True, slots=True)
class ServerUse:
    """One process of a group.

    Args:
        address: Where it listens: `127.0.0.1:9101`.
        name: Its server line in HAProxy; by default the group's name and its number, from 1.
        admin: Path of its admin socket, for `{admin}` in the start's command.
    """

    __pydantic_config__: ClassVar[ConfigDict] = CLOSED
    address: Name
    name: Name | None = None
    admin: Name | None = None

    def __post_init__(self) -> None:
        try:
            Address.of(self.address)
        except InvalidError as error:
            raise ValueError(error.sentence) from None


@dataclass(frozen=True, slots=True)
class GroupUse:
    """Processes that serve one version together.

    Args:
        name: Such as `blue`.
        servers: Its processes.
    """

    __pydantic_config__: ClassVar[ConfigDict] = CLOSED
    name: Name
    servers: Annotated[tuple[ServerUse, ...], Field(min_length=1)]

    def __post_init__(self) -> None:
        if not _GROUP.fullmatch(self.name):
            raise ValueError(f"a group is named with letters, digits, '-' and '_', not '{self.name}'")

    @property
    def lines(self) -> tuple[str, ...]:
        """Names of its server lines in HAProxy."""
        return tuple(one.name or server_name(self.name, number) for number, one in enumerate(self.servers, 1))


@dataclass(frozen=True, slots=True)
class WorkloadUse:
    """How a version runs on a cluster; `--set KEY=VALUE` comes before what stands here.

    Args:
        name: Of all objects; the model's name if none is given.
        image: The server's image with the model in it (for KServe: the server's image), by digest.
        storage_uri: For KServe: where the model lies, `oci://…@sha256:…`.
        previous: For KServe's Standard mode: the `storage_uri` that goes on serving beside the canary.
        replicas: Pods.
        cpu: Requested, in cores.
        memory_mi: Requested and limited, in MiB.
        callers: Labels of the pods that may call; none: every pod of the namespace.
        monitoring: Namespace from which metrics are read.
        prometheus: Where Argo Rollouts asks.
        drain_s: How long requests in flight may take at a pod's end.
        error_share: Highest share of errors that Argo's analysis lets pass, 0 to 1.
        p99_s: Longest time of 99 of 100 predictions that it lets pass.
        requests: Fewer in the window say nothing.
        window_s: What one look of the analysis sees.
        looks: How many looks there are at each step.
    """

    __pydantic_config__: ClassVar[ConfigDict] = CLOSED
    name: Name | None = None
    image: Name | None = None
    storage_uri: Name | None = None
    previous: Name | None = None
    replicas: Count = 3
    cpu: Positive = 1.0
    memory_mi: Count = 512
    callers: Mapping[str, str] = field(default_factory=dict)
    monitoring: Name = "monitoring"
    prometheus: Name = "http://prometheus-operated.monitoring.svc:9090"
    drain_s: Seconds = 30.0
    error_share: Level = 0.01
    p99_s: Seconds = 0.25
    requests: Count = 300
    window_s: Seconds = 60.0
    looks: Count = 5


@dataclass(frozen=True, slots=True)
class LaneUse:
    """Where it is switched.

    Args:
        kind: `artefact` (inside running servers), `runtime` (process groups behind HAProxy), `kubernetes` (manifests).
        admin: Admin sockets of the servers, of every replica. Only for `artefact`, which needs them.
        metrics: URLs of the servers' metrics, of every replica: what the guards read; one that ends in `#baseline`
            counts a copy. Empty: the servers behind `admin`, or of the groups that run, are asked.
        haproxy: HAProxy's Runtime API: path of its socket. `runtime` needs it, as it needs the next four.
        backend: HAProxy's backend.
        folder: The lane's own files.
        groups: At least two; a new version is started in one that has no share.
        start: How a process is started, with `{digest}` or `{short}` (12 digits of it) and `{port}` or `{address}` in
            its command; `{host}`, `{admin}` and `{group}` are known, too. It goes on until it is told to end;
            `time_limit` is how long it may take to become ready.
        install: Commands that bring a version's environment before its group is started, with `{digest}` and `{short}`.
            They are run again after a crash: what is there already is left alone.
        baseline: A group only for freshly started copies of the version that serves, which a watch compares with.
            Without one it compares with the processes that serve, and says so.
        drain_s: How long requests in flight may take to end, for `runtime`.
        target: For `kubernetes`: `plain`, `argo-bluegreen`, `argo-canary`, `kserve` or `kserve-knative`; by default
            Argo's, as the strategy is.
        namespace: Of manifests, for `kubernetes`.
        workload: How the version runs there.
    """

    __pydantic_config__: ClassVar[ConfigDict] = CLOSED
    kind: Literal["artefact", "runtime", "kubernetes"] = "artefact"
    admin: tuple[Name, ...] = ()
    metrics: tuple[Name, ...] = ()
    haproxy: Name | None = None
    backend: Name | None = None
    folder: Name | None = None
    groups: tuple[GroupUse, ...] = ()
    start: Step | None = None
    install: tuple[Step, ...] = ()
    baseline: GroupUse | None = None
    drain_s: Seconds = 60.0
    target: Target | None = None
    namespace: Name = "default"
    workload: WorkloadUse | None = None

    def __post_init__(self) -> None:
        needed, free = _KEYS[self.kind]
        for one in dataclasses.fields(self):
            given = getattr(self, one.name) != one.default
            if given and one.name not in ("kind", *needed, *free):
                known = ", ".join(key(name) for name in (*needed, *free))
                raise ValueError(f"'{key(one.name)}' is no key of lane '{self.kind}', which has {known}")
        for word in needed:
            if not getattr(self, word):
                raise ValueError(f"lane '{self.kind}' needs '{word}'")
        if self.kind == "runtime":
            _whole(self)

    @property
    def every(self) -> tuple[GroupUse, ...]:
        """All groups, that of the copies last."""
        return self.groups if self.baseline is None else (*self.groups, self.baseline)


_KEYS = {
    "artefact": (("admin",), ("metrics",)),
    "runtime": (("haproxy", "backend", "folder", "groups", "start"), ("install", "baseline", "metrics", "drain_s")),
    "kubernetes": ((), ("target", "namespace", "workload")),
}
"""Keys that a kind of lane needs, and those that it may have."""


def _whole(use: LaneUse) -> None:
    """Refuse groups that cannot stand beside each other, and commands that do not say what they start."""
    if len(use.groups) < 2:
        raise ValueError("lane 'runtime' needs two groups: one serves while a version is started in the other")
    servers = [server for group in use.every for server in group.servers]
    _once("group", (group.name for group in use.every))
    _once("server", (line for group in use.every for line in group.lines))
    _once("address", (server.address for server in servers))
    _once("admin socket", (server.admin for server in servers if server.admin))
    assert use.start is not None  # noqa: S101 - it is among the needed keys
    named = set(_named(use.start, "start", START_WORDS))
    for one, other in (("digest", "short"), ("port", "address")):
        if not named & {one, other}:
            raise ValueError(f"the command of 'start' must name {{{one}}} or {{{other}}}: each process has its own")
    if "admin" in named and any(server.admin is None for server in servers):
        raise ValueError("the command of 'start' names {admin}: give every server its 'admin'")
    for step in use.install:
        list(_named(step, "install", START_WORDS[:2]))


def _once(what: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"{what} '{name}' stands twice among the groups")
        seen.add(name)


def _named(step: Step, where: str, known: tuple[str, ...]) -> Iterator[str]:
    """Return what a command names in braces."""
    try:
        found = [name for word in ([step.run] if isinstance(step.run, str) else step.run)
                 for _, name, _, _ in Formatter().parse(word) if name is not None]  # fmt: skip
    except ValueError as error:
        raise ValueError(f"the command of '{where}': {error}; a brace that is meant is written twice") from None
    for name in found:
        if name not in known:
            said = ", ".join(f"{{{one}}}" for one in known)
            raise ValueError(f"the command of '{where}' names {{{name}}}; known are {said}")
        yield name
