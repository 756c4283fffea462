"""The environment of a guide's fences, of clients and of the practice shell; docs/reference/lab.md lists it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from plumbline.lab.keeper.sweep import MARK

if TYPE_CHECKING:
    from plumbline.lab.keeper.cgroup import Cgroup
    from plumbline.lab.parts import FrontPart, GatewayPart

_COMMANDS = "bin"


def make_commands(folder: Path) -> None:
    """Write `restart-gateway` into the lab's folder, where the `PATH` of its environment finds it."""
    command = folder / _COMMANDS / "restart-gateway"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m plumbline.lab.restart\n')
    command.chmod(0o755)


def environment(
    base: Mapping[str, str],
    *,
    lab: str,
    folder: Path,
    gateway: GatewayPart | None = None,
    front: FrontPart | None = None,
    cgroup: Cgroup | None = None,
) -> dict[str, str]:
    """Return the caller's environment with the lab's variables; those of parts that a topology lacks are absent."""
    path = os.pathsep.join([str(folder / _COMMANDS), str(Path(sys.executable).parent), base.get("PATH", os.defpath)])
    found = dict(base) | {"PATH": path, MARK: lab, "LAB_FOLDER": str(folder), "PYTHONUNBUFFERED": "1"}
    found["NSTAT_HISTORY"] = str(folder / "nstat.history")  # else nstat leaves a file in /tmp that all labs share
    if gateway is not None:
        found |= {
            "PLUMBLINE_ADMIN": str(gateway.admin),
            "GATEWAY_URL": gateway.url,
            "GATEWAY_PORT": str(gateway.port),
            "GATEWAY_PID": str(gateway.pid),
            "GATEWAY_PIDFILE": str(gateway.pidfile),
            "GATEWAY_CONFIG": str(gateway.config),
            "GATEWAY_UNIT": str(gateway.unit),
            "GATEWAY_LOG": str(gateway.log),
        }
    if front is not None:
        found |= {
            "FRONT_PORT": str(front.port),
            "FRONT_URL": front.url,
            "HAPROXY_CFG": str(front.config),
            "HAPROXY_PID": str(front.pid),
            "HAPROXY_PIDFILE": str(front.pidfile),
            "HAPROXY_LOG": str(front.log),
        }
    if cgroup is not None:
        found |= {"CGROUP": str(cgroup.folder), "CGROUP_MEMORY_LIMIT": str(cgroup.limit)}
    return found
