"""The runtime lane: a new Python or new libraries come as a second group of processes, and HAProxy turns over to it.

Nothing is reloaded and nothing restarted: the new group is started beside the old one, asked whether it is ready, given
its share through the Runtime API, and the old one is drained until its last request was answered.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from plumbline.deployment.core.digests import short
from plumbline.deployment.core.errors import InvalidError, UnavailableError
from plumbline.deployment.core.lanes import Serving, version_of
from plumbline.deployment.lanes.fence import Fence, durable
from plumbline.deployment.lanes.frontdoor import BACKEND, server_name
from plumbline.deployment.lanes.groups import Group
from plumbline.deployment.lanes.haproxy import WEIGHT_LIMIT, Proxy, State

_POLL_S = 0.005
_SUM_TOLERANCE = 1e-6


class RuntimeLane:
    """Two or more groups behind one HAProxy; implements `plumbline.deployment.core.lanes.Lane`.

    Args:
        proxy: The HAProxy, configured by `frontdoor.configuration`.
        groups: Usually a blue and a green one.
        folder: For the epoch and the servers' states; the same for every deployer of this lane.
        state_file: What the configuration names as `server-state-file`; by default `servers.state` in the folder.
        ready_s: How long a group may take to become ready, in seconds.
        drain_s: How long requests in flight may take to end, in seconds.
        baseline: A group for nothing but freshly started copies of a version (`core.lanes.COPY`); without one the lane
            holds none.
        backend: HAProxy's.
        lines: By group, what its servers are called in HAProxy; by default the group's name and a number.
        install: Brings a version's environment; called before its processes are started, and again at every start.
    """

    def __init__(
        self,
        proxy: Proxy,
        groups: Sequence[Group],
        folder: Path,
        *,
        state_file: Path | None = None,
        ready_s: float = 120.0,
        drain_s: float = 60.0,
        baseline: Group | None = None,
        backend: str = BACKEND,
        lines: Mapping[str, Sequence[str]] | None = None,
        install: Callable[[str], None] | None = None,
    ) -> None:
        self._proxy = proxy
        self._groups = [*groups, *([] if baseline is None else [baseline])]
        self._baseline = baseline
        self._backend = backend
        self._lines = lines or {}
        self._install = install
        self._fence = Fence(folder, patience_s=ready_s + drain_s)
        self._state_file = state_file or folder / "servers.state"
        self._ready_s = ready_s
        self._drain_s = drain_s

    def serving(self) -> Serving:
        """Ask HAProxy for the shares, and the processes for what they serve and whether they are ready.

        Raises:
            UnavailableError: HAProxy does not answer.
        """
        pulls = self._pulls()
        total = sum(pulls.values())
        shares: dict[str, float] = {}
        ready = set()
        for group in self._groups:
            digest = group.running()
            if digest and pulls[group.name]:
                shares[digest] = shares.get(digest, 0.0) + pulls[group.name] / total
            if digest and group.ready():
                ready.add(digest)
        return Serving(shares=shares, epoch=self._fence.epoch(), ready=frozenset(ready))

    def prepare(self, digest: str, *, epoch: int) -> None:
        """Start a version in a group that nobody is sent to, and wait until it is ready.

        Raises:
            FencedError: A newer deployer has been here.
            InvalidError: Every group has a share: there is no room beside them; or no group holds copies.
            UnavailableError: It does not become ready; it is stopped again, and nothing else has changed.
        """
        with self._fence.held(epoch):
            group = self._holder(digest)
            if group is None:
                group = self._free(digest)
                self._clear(group)
            if not (group.whole() and group.ready()):
                if self._install is not None:
                    self._install(version_of(digest))
                group.start(digest)
                self._wait_ready(group, digest)
            if not self._pulls()[group.name]:
                self._take_away(group, "drain")  # no request, but health checks

    def share(self, shares: dict[str, float], *, epoch: int) -> None:
        """Set the weights, then wait until no request is in flight on a group without a share.

        Raises:
            FencedError: A newer deployer has been here.
            InvalidError: A digest that is not ready, or fractions that cannot be had.
            UnavailableError: Requests to an old version did not end in time. The shares are set; say it again.
        """
        with self._fence.held(epoch):
            given = self._given(shares)
            sizes = {group.name: group.size for group, _ in given}
            weights = weights_of({group.name: share for group, share in given}, sizes)
            names = {group.name: self._servers(group) for group in self._groups}
            on = [server for name in weights for server in names[name]]
            off = [group for group in self._groups if group.name not in weights]
            self._proxy.set_weight(self._backend, {server: w for name, w in weights.items() for server in names[name]})
            self._proxy.set_state(self._backend, on, "ready")
            for group in off:
                self._take_away(group, "drain" if group.running() else "maint")
            self._note()
            self._wait_idle(off)

    def retire(self, digest: str, *, epoch: int) -> None:
        """End a version's processes after their last request; nothing to do if it does not run.

        Raises:
            FencedError: A newer deployer has been here.
            InvalidError: It has a share.
            UnavailableError: Its requests did not end in time; it still runs.
        """
        with self._fence.held(epoch):
            group = self._holder(digest)
            if group is None:
                return
            if self._pulls()[group.name]:
                raise InvalidError(
                    f"{short(digest)} has a share of the requests; give it to another first", digest=digest
                )
            self._clear(group)

    def _clear(self, group: Group) -> None:
        if group.running():
            self._take_away(group, "drain")
            self._wait_idle([group])
        self._take_away(group, "maint")
        self._note()
        group.stop()

    def _pulls(self) -> dict[str, int]:
        servers = self._proxy.servers(self._backend)
        found = {}
        for group in self._groups:
            if missing := [name for name in self._servers(group) if name not in servers]:
                raise InvalidError(
                    f"HAProxy knows no server '{missing[0]}' in backend '{self._backend}'", server=missing[0]
                )
            found[group.name] = sum(servers[name].pull for name in self._servers(group))
        return found

    def _holder(self, digest: str) -> Group | None:
        return next((group for group in self._groups if group.running() == digest), None)

    def _free(self, digest: str) -> Group:
        pulls = self._pulls()
        copy = version_of(digest) != digest
        room = [group for group in self._groups if (group is self._baseline) == copy]
        if not room:
            raise InvalidError("no group of the lane is for a freshly started copy", digest=digest)
        free = [group for group in room if not pulls[group.name]]
        if not free:
            held = ", ".join(f"{group.name} {short(group.running() or '-')}" for group in room)
            raise InvalidError(
                f"no group is free for {short(digest)}: {held} have a share each; give all requests to one first",
                digest=digest,
            )
        return min(free, key=lambda group: group.running() is not None)

    def _given(self, shares: Mapping[str, float]) -> list[tuple[Group, float]]:
        if abs(sum(shares.values()) - 1) > _SUM_TOLERANCE or any(not 0 <= share <= 1 for share in shares.values()):
            raise InvalidError(f"shares must lie between 0 and 1 and add up to 1: {dict(shares)}")
        given = []
        for digest, share in shares.items():
            if not share:
                continue
            group = self._holder(digest)
            if group is None or not group.ready():
                raise InvalidError(f"{short(digest)} is not ready; prepare it first", digest=digest)
            given.append((group, share))
        return given

    def _take_away(self, group: Group, state: State) -> None:
        self._proxy.set_state(self._backend, self._servers(group), state)

    def _servers(self, group: Group) -> Sequence[str]:
        return self._lines.get(group.name) or [server_name(group.name, number) for number in range(1, group.size + 1)]

    def _note(self) -> None:
        durable(self._state_file, self._proxy.dump())

    def _wait_ready(self, group: Group, digest: str) -> None:
        def ready() -> bool:
            return not group.whole() or group.ready()

        if _until(ready, self._ready_s) and group.whole():
            return
        ended = not group.whole()
        words = group.words()
        if not self._pulls()[group.name]:  # a group that lost one process still answers with the others
            group.stop()
        why = "a process ended" if ended else f"it did not become ready within {self._ready_s:g} s"
        raise UnavailableError(
            f"{short(digest)} in group {group.name}: {why}; it said: {words or 'nothing'}", digest=digest
        )

    def _wait_idle(self, groups: Sequence[Group]) -> None:
        names = [name for group in groups for name in self._servers(group)]

        def idle() -> bool:
            loads = self._proxy.loads(self._backend)
            return not any(loads[name].sessions + loads[name].queued for name in names)

        if not _until(idle, self._drain_s):
            raise UnavailableError(
                f"requests to {', '.join(group.name for group in groups)} did not end within {self._drain_s:g} s; "
                "no new ones go there: say it again, or shorten what callers may wait",
            )


def weights_of(shares: Mapping[str, float], sizes: Mapping[str, int] | None = None) -> dict[str, int]:
    """Return HAProxy weights (1 to 256) of each group's processes, whose proportions are nearest to the shares.

    Args:
        shares: By group, each above 0.
        sizes: Processes of each group; all the same if None.

    Raises:
        InvalidError: A share is too small for a weight: below about 1/512 of the largest, process for process.
    """
    many = sizes or dict.fromkeys(shares, 1)
    parts = {name: share / many[name] for name, share in shares.items()}
    largest = max(parts.values())

    def weights(top: int) -> dict[str, int]:
        return {name: round(part / largest * top) for name, part in parts.items()}

    def error(top: int) -> float:
        each = {name: weight * many[name] for name, weight in weights(top).items()}
        total = sum(each.values())
        return max(abs(each[name] / total - share) for name, share in shares.items())

    top = min(range(WEIGHT_LIMIT, 0, -1), key=error) if len(shares) > 1 else WEIGHT_LIMIT
    found = weights(top)
    if tiny := [name for name, weight in found.items() if not weight]:
        raise InvalidError(
            f"group {tiny[0]}: a share of {shares[tiny[0]]:g} beside {max(shares.values()):g} is below one part in "
            f"{WEIGHT_LIMIT}",
            share=shares[tiny[0]],
        )
    return found


def _until(true: Callable[[], bool], patience_s: float) -> bool:
    end = time.monotonic() + patience_s
    while not true():
        if time.monotonic() >= end:
            return False
        time.sleep(_POLL_S)
    return True
