"""From the groups that a pipeline's file names to a runtime lane: how processes are started, and where they count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from plumbline.deployment.core.digests import short
from plumbline.deployment.core.lanes import COPY, version_of
from plumbline.deployment.lanes.frontdoor import BACKEND, Address
from plumbline.deployment.lanes.groups import Launch, Processes
from plumbline.deployment.lanes.haproxy import Proxy
from plumbline.deployment.lanes.runtime import RuntimeLane
from plumbline.deployment.pipeline.commands import environment, run_all, words
from plumbline.deployment.pipeline.lane_use import GroupUse, LaneUse
from plumbline.deployment.pipeline.parts import Step


def runtime_lane(use: LaneUse, folder: Path) -> RuntimeLane:
    """Return the lane.

    Args:
        use: From the file, of kind `runtime`.
        folder: Where its relative paths begin.
    """
    place = folder / (use.folder or "")
    ready_s = use.start.time_limit_s if use.start else 0.0
    return RuntimeLane(
        Proxy(folder / (use.haproxy or "")),
        [_processes(use, group, folder) for group in use.groups],
        place,
        ready_s=ready_s,
        drain_s=use.drain_s,
        baseline=None if use.baseline is None else _processes(use, use.baseline, folder),
        backend=use.backend or BACKEND,
        lines={group.name: group.lines for group in use.every},
        install=lambda digest: _install(use, digest, folder),
    )


def counting(use: LaneUse, folder: Path) -> tuple[str, ...]:
    """Return the URLs of the metrics of all groups that run; what a group of copies counts is told apart."""
    return tuple(
        f"http://{Address.of(server.address)}/metrics{COPY if group is use.baseline else ''}"
        for group in use.every
        if _processes(use, group, folder).running() is not None
        for server in group.servers
    )


def _processes(use: LaneUse, group: GroupUse, folder: Path) -> Processes:
    servers = {Address.of(server.address): server for server in group.servers}

    def launch(digest: str, address: Address) -> Launch:
        assert use.start is not None  # noqa: S101 - such a lane has one
        named = {
            **_version(digest),
            "host": address.host,
            "port": str(address.port),
            "address": str(address),
            "admin": str((folder / (servers[address].admin or "")).absolute()),
            "group": group.name,
        }
        step = _filled(use.start, named)
        return Launch(words(step.run), environment(step, {}), folder.absolute(), bare=True)

    return Processes(group.name, folder / (use.folder or "") / "groups", list(servers), launch)


def _install(use: LaneUse, digest: str, folder: Path) -> None:
    steps = [_filled(step, _version(digest)) for step in use.install]
    run_all(steps, folder.absolute(), (folder / (use.folder or "")).absolute() / "install.log")


def _version(digest: str) -> dict[str, str]:
    whole = version_of(digest)
    return {"digest": whole, "short": short(whole)}


def _filled(step: Step, named: Mapping[str, str]) -> Step:
    """Fill in what a command names, word by word: nothing that is filled in becomes two words."""
    return replace(step, run=tuple(word.format_map(named) for word in words(step.run)))
