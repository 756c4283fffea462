"""What a fault is: it breaks a real component in the lab, and knows how the workload feels it.

`kb/<area>/<slug>/fault.py` defines exactly one subclass of `Fault`; nothing of it is installed on a production machine.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

from plumbline.evidence import Endpoint
from plumbline.lab.feeling import Felt, HurtsWhen
from plumbline.lab.parts.part import Part
from plumbline.lab.population import Census, Population
from plumbline.lab.service import Service, Workload

MACHINE = "machine"
"""Need of a fault whose proof runs alone, and its two labs one after the other."""
NEEDS = {
    "linux": "a Linux kernel",
    "haproxy": "haproxy on the PATH",
    "mountns": "a mount namespace of its own (root, or unprivileged user namespaces)",
    "cpu": "a cpu cgroup that it may create (root on cgroup v1 or v2, or a delegated v2 cgroup)",
    "nats": "nats-server, beside Python or on the PATH",
    "netns": "a network namespace of its own (root, or unprivileged user namespaces)",
    MACHINE: "the machine to itself: it breaks, or is judged by, something that all labs share",
    "cgroup": "a memory cgroup that it may create (root on cgroup v1 or v2, or a delegated v2 cgroup)",
}
"""What a fault may ask of the machine, and how a person would say it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """The platform that the lab builds before anything is broken; it must be healthy.

    Args:
        settings: Gateway settings at start; they are written to `$GATEWAY_CONFIG`, which a restart reads again.
        nofile: Limit of open files of the gateway, soft and hard (`LimitNOFILE=` of its unit); None inherits.
        memory_limit_bytes: Memory limit of the gateway's own cgroup, in bytes (`MemoryMax=`); None: no cgroup.
        haproxy: Text of HAProxy's configuration, if one stands in front. It may use the environment as HAProxy does:
            `bind "127.0.0.1:${FRONT_PORT}"`, `server gw "127.0.0.1:${GATEWAY_PORT}"`. The workload then connects to it.
        netns: Run everything in a network namespace of its own; sysctls under `net.` then harm nobody.
        supervised: Start the gateway again when it dies, as systemd's `Restart=always` does.
        restart_delay_s: Pause before that, in seconds (`RestartSec=`).
        workers: Workers under a supervisor (`plumb gateway serve --workers N`), or `"1..3"` for an autoscaler; None:
            the gateway is one process.
        policy: The autoscaler's policy, written to `$GATEWAY_POLICY`, which SIGHUP reads again; None: the default.
        broker: Name of the NATS part that the gateway is connected to; None: it needs none. NATS parts with domains are
            regions: the first is made home, the others mirror it.
        monitored: Name of the NATS part whose monitoring pages are the target's `metrics`; None: the gateway's are.
        parts: What stands beside it, in the order of starting: values of `plumbline.lab.parts`.
        victim: Name of a `Server` part that stands instead of a gateway: clients and diagnostics go to it.
        populations: Many clients, from the start.
        workload: The independent clients.
        patience_s: How long a black-box probe may watch a quiet connection of this lab, in seconds.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    nofile: int | None = None
    memory_limit_bytes: int | None = None
    haproxy: str | None = None
    netns: bool = False
    supervised: bool = True
    restart_delay_s: float = 0.1
    workers: int | str | None = None
    policy: Mapping[str, Any] | None = None
    broker: str | None = None
    monitored: str | None = None
    parts: tuple[Part, ...] = ()
    victim: str | None = None
    populations: tuple[Population, ...] = ()
    workload: Workload = field(default_factory=Workload)
    patience_s: float = 2.0

    @property
    def needs(self) -> frozenset[str]:
        """What this topology asks of the machine."""
        asked = {
            "haproxy": self.haproxy is not None,
            "netns": self.netns,
            "cgroup": self.memory_limit_bytes is not None,
        }
        parts: frozenset[str] = frozenset().union(*(part.needs for part in self.parts))
        return parts | {need for need, wanted in asked.items() if wanted}


class Gateway(Protocol):
    """The gateway process of a lab."""

    @property
    def pid(self) -> int:
        """Its process id now (a restart changes it)."""
        ...

    @property
    def url(self) -> str:
        """Its own WebSocket address, past any front."""
        ...

    @property
    def port(self) -> int:
        """Its TCP port; a restart keeps it."""
        ...

    @property
    def admin(self) -> Path:
        """Its admin socket."""
        ...

    @property
    def log(self) -> Path:
        """The file its stderr goes to; appended to by every start."""
        ...

    @property
    def starts(self) -> int:
        """How often it was started since the lab began."""
        ...

    def restart(self, **settings: Any) -> None:
        """Change its configuration file, restart it, and wait until it accepts connections."""
        ...


class Front(Protocol):
    """HAProxy in front of the gateway."""

    @property
    def pid(self) -> int:
        """Process id of the master: SIGUSR2 reloads."""
        ...

    @property
    def config(self) -> Path:
        """Its configuration file."""
        ...

    @property
    def log(self) -> Path:
        """The file its messages go to."""
        ...

    def reload(self, text: str | None = None) -> None:
        """Write the configuration, if one is given, and reload it."""
        ...


class Lab(Protocol):
    """What a fault may use of the lab it breaks. Everything it starts dies with the lab."""

    @property
    def folder(self) -> Path:
        """The lab's own folder: working directory of steps and clients, removed at the end."""
        ...

    @property
    def gateway(self) -> Gateway:
        """The gateway process."""
        ...

    @property
    def front(self) -> Front:
        """HAProxy in front; only where the topology has one (LookupError else)."""
        ...

    @property
    def url(self) -> str:
        """WebSocket address that clients use: the front's, or the gateway's own."""
        ...

    @property
    def endpoint(self) -> Endpoint:
        """The lab as a target of diagnostics."""
        ...

    @property
    def environment(self) -> Mapping[str, str]:
        """Variables that fences, spawned processes and the practice shell see; see docs/reference/lab.md."""
        ...

    @property
    def cgroup(self) -> Path:
        """Folder of the gateway's memory cgroup; only where the topology has a limit (LookupError else)."""
        ...

    def set(self, **settings: Any) -> None:
        """Change settings of the running gateway, as `plumb gateway set` does; a restart forgets them."""
        ...

    def spawn(self, name: str, *argv: str) -> int:
        """Start a further process under a name of its own (in the lab's folder and namespace) and return its pid."""
        ...

    def client(self, script: str, *argv: str) -> int:
        """Start a script of `plumbline.lab.clients` (`paused_reader`, …) against `url`; return its pid."""
        ...

    def part(self, name: str) -> Any:
        """Return a running part of the topology by its name (LookupError: there is none): see `plumbline.lab.parts`."""
        ...

    def workers(self) -> list[dict[str, Any]]:
        """Return what the supervisor says of its workers, one dict each; only with `Topology.workers`."""
        ...

    def populate(self, population: Population) -> None:
        """Send many clients, and return when they have begun."""
        ...

    def population(self, name: str, window_s: float = 2.0) -> Census:
        """Return what a population saw in the last seconds, but never before the fault was injected or fixed."""
        ...

    def disperse(self, name: str) -> None:
        """End a population."""
        ...

    def stop(self, name: str) -> None:
        """Stop what `spawn` (by its name) or `client` (by the script's name) started, and wait for its end."""
        ...

    def service(self, window_s: float = 2.0) -> Service:
        """Return what the workload measured in the last seconds, but never before the fault was injected or fixed."""
        ...

    def logs(self) -> str:
        """Return what gateway and front logged since the fault was injected."""
        ...


class Fault(abc.ABC):
    """Breaks one thing. The same object serves one lab: `inject` once, then `felt` as often as wanted."""

    needs: ClassVar[frozenset[str]] = frozenset()
    """Keys of `NEEDS` beyond what the topology implies; on a machine that lacks one, the proof is red and says so."""

    topology: ClassVar[Topology] = Topology()
    """The healthy platform that is to be broken."""

    @abc.abstractmethod
    def inject(self, lab: Lab) -> None:
        """Break it. Return as soon as the cause is in place; the prover waits until it is felt."""

    hurts_when: ClassVar[HurtsWhen | None] = None
    """Which of the clients' measures matters, with its limit; a fault without it overrides `felt`."""

    def felt(self, lab: Lab) -> Felt:
        """Judge from the client's view (`lab.service()`) whether it hurts; also called when it should not any more.

        Raises:
            TypeError: The fault declares neither `hurts_when` nor a `felt` of its own.
        """
        if self.hurts_when is None:
            raise TypeError(f"{type(self).__name__} declares neither hurts_when nor felt: when does it hurt?")
        return self.hurts_when.judge(lab.service(self.hurts_when.window_s))

    def logs(self, lab: Lab) -> str:
        """Return the log text that an operator would paste into the search box."""
        return lab.logs()


__all__ = ["MACHINE", "NEEDS", "Fault", "Felt", "Front", "Gateway", "Lab", "Service", "Topology", "Workload"]
