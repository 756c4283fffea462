"""Builds what a topology asks for, in order: each part before what needs it."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plumbline.lab.errors import LabError, MissingError
from plumbline.lab.holds import Holds, started
from plumbline.lab.keeper import cgroup as cgroups
from plumbline.lab.logs import tail
from plumbline.lab.parts.front import FrontPart
from plumbline.lab.parts.gateway import GatewayPart
from plumbline.lab.parts.host import START_S
from plumbline.lab.parts.nats import regions
from plumbline.lab.parts.node import NodePart
from plumbline.lab.parts.part import Built
from plumbline.lab.parts.server import ServerPart
from plumbline.lab.parts.unit import unit

if TYPE_CHECKING:
    from plumbline.lab.fault import Topology
    from plumbline.lab.link import Link

MAIN = "gateway"


class Builder:
    """A lab while it is built, and what its parts may ask of it.

    Args:
        topology: What to build.
        lab: The lab's id.
    """

    def __init__(self, topology: Topology, lab: str) -> None:
        self.topology = topology
        self.id = lab
        self.folder = Path(tempfile.mkdtemp(prefix="plumbline-"))
        self.holds = Holds(self.id, str(self.folder), (), os.getpid(), started(os.getpid()))
        self.holds.note()
        self.link: Link
        self.built: dict[str, Built] = {}
        self.settings: dict[str, Any] = dict(topology.settings)
        self._joined: dict[str, list[str]] = {}
        self._group: cgroups.Cgroup | None = None
        self._front: FrontPart | None = None
        self._gateway: GatewayPart | None = None

    def launch(self, name: str, argv: list[str], **recipe: Any) -> int:
        """Start a process under the keeper, with the lab's environment, and return its pid."""
        raise NotImplementedError

    def until(self, done: Callable[[], bool], what: str, timeout_s: float = START_S) -> None:
        """Poll until something is true."""
        raise NotImplementedError

    @property
    def main_name(self) -> str:
        """Name of the process that diagnostics judge: the gateway, or the topology's victim."""
        return self.topology.victim or MAIN

    @property
    def main(self) -> GatewayPart | ServerPart:
        """That process."""
        if self.topology.victim is None:
            return self.gateway
        found = self.part(self.topology.victim)
        if not isinstance(found, ServerPart):
            raise LabError(f"the victim '{self.topology.victim}' is no Server part")
        return found

    @property
    def gateway(self) -> GatewayPart:
        """The gateway.

        Raises:
            LookupError: The topology has another victim.
        """
        if self._gateway is None:
            raise LookupError(f"this topology has no gateway: '{self.topology.victim}' stands instead of it")
        return self._gateway

    @property
    def memory_group(self) -> Path | None:
        """The folder of the main process's memory cgroup, if it has one."""
        return self._group.folder if self._group else None

    def part(self, name: str) -> Any:
        """Return a part by its name: one of `Topology.parts`, or `gateway`.

        Raises:
            LookupError: There is none.
        """
        if name == MAIN and self._gateway is not None:
            return self._gateway
        if name not in self.built:
            there = ", ".join(self.built) or "none"
            raise LookupError(f"this topology has no part '{name}'; there are: {there}")
        return self.built[name]

    def hold(self, group: Path) -> None:
        """Note a cgroup that goes with the lab; before anybody is in it."""
        self.holds = replace(self.holds, cgroups=(*self.holds.cgroups, str(group)))
        self.holds.note()

    def join(self, name: str, group: Path) -> None:
        """Let a process join a cgroup at each of its starts."""
        self._joined.setdefault(name, []).append(str(group))

    def groups_of(self, name: str) -> dict[str, Any]:
        """Return which control groups a process joins, as fields of its recipe."""
        fields: dict[str, Any] = {"groups": self._joined.get(name, [])}
        if name == self.main_name and self._group is not None:
            fields["cgroup"] = (str(self._group.folder), self._group.limit_file)
        return fields

    def broker_options(self, broker: str | None) -> list[str]:
        """Return the words of a gateway's command line that connect it to a NATS part, as one of its region's."""
        if broker is None:
            return []
        own, all_of_them = self.part(broker), regions(self.topology.parts)
        words = ["--broker", own.url.rstrip("/")]
        if own.domain is None:
            return words
        words += ["--region", own.domain]
        return words + [word for peer in all_of_them if peer != own.domain for word in ("--peer", peer)]

    def make_groups(self) -> None:
        """Make the cgroups: before the keeper, which takes them over.

        Raises:
            MissingError: The machine gives none.
        """
        if self.topology.memory_limit_bytes is None:
            return
        try:
            self._group = cgroups.create(self.id, self.topology.memory_limit_bytes)
        except cgroups.CgroupError as error:
            raise MissingError(str(error)) from None
        self.hold(self._group.folder)

    def build_parts(self) -> None:
        """Make all parts and the gateway; none is started yet."""
        topology = self.topology
        for part in topology.parts:
            if part.name in self.built or part.name in (MAIN, "haproxy", "workload"):
                raise LabError(f"two parts of this topology are called '{part.name}'")
            self.built[part.name] = built = part.build(self)
            self.settings |= built.settings
        if topology.victim is None:
            options = self.broker_options(topology.broker)
            self._gateway = GatewayPart(
                self, self.settings, workers=topology.workers, policy=topology.policy, options=options
            )
        if topology.haproxy is not None:
            self._front = FrontPart(self, topology.haproxy)

    def start_parts(self) -> None:
        """Start helpers, then the gateway, further gateways, the front."""
        topology = self.topology
        nodes = [part for part in self.built.values() if isinstance(part, NodePart)]
        for part in self.built.values():
            if part not in nodes:
                part.start()
        self._make_regions()
        if self._gateway is not None:
            restart_s = topology.restart_delay_s if topology.supervised else None
            self._gateway.start(unit=unit(topology), restart_s=restart_s)
        for node in nodes:
            node.start()
        if self._front is not None:
            self._front.start()

    def _make_regions(self) -> None:
        """Make the first region home and the others its mirrors, if gateways are to use them."""
        found = regions(self.topology.parts)
        if len(found) < 2 or self.topology.broker is None:
            return
        words = [f"{region}={self.part(name).url.rstrip('/')}" for region, name in found.items()]
        self.launch("regions", [sys.executable, "-m", "plumbline.lab.regions", *words])
        life = self.link.lives["regions"]
        self.link.wait(lambda: life.code is not None, "the regions are made", START_S)
        if life.code:
            raise LabError(f"the regions cannot be made: {tail(self.folder / 'regions.log')}")

    def variables(self) -> dict[str, str]:
        """Return what the parts add to the environment of the lab's processes."""
        found: dict[str, str] = {}
        for part in self.built.values():
            found |= part.environment()
        if self._gateway is not None:
            found |= self._gateway.environment()
        if self._front is not None:
            found |= self._front.environment()
        if self._group is not None:
            found |= {"CGROUP": str(self._group.folder), "CGROUP_MEMORY_LIMIT": str(self._group.limit)}
        return found
