"""A running lab: gateway, front, workload and whatever a fault adds, under one keeper."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
import tempfile
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from plumbline.diagnosis.targets import LabEndpoint, LabState
from plumbline.evidence import Endpoint
from plumbline.lab.environment import environment, make_commands
from plumbline.lab.errors import LabError, MissingError
from plumbline.lab.fault import Topology
from plumbline.lab.holds import Holds, started
from plumbline.lab.keeper import cgroup as cgroups
from plumbline.lab.keeper.namespace import inhabitants, of, pin
from plumbline.lab.link import Link
from plumbline.lab.logs import after
from plumbline.lab.parts import START_S, FrontPart, GatewayPart, unit
from plumbline.lab.questions import measure
from plumbline.lab.service import Service
from plumbline.streaming.probes.adminclient import AdminError, ask

_POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a shell step did: its exit code (None: it ran into the time limit) and what it printed, both streams."""

    code: int | None
    output: str


class RunningLab:
    """Implements `plumbline.lab.Lab`; `running` makes one."""

    def __init__(self, topology: Topology, purpose: str, problem: str | None) -> None:
        self.topology = topology
        self.purpose = purpose
        self.problem = problem
        self.id = f"{(problem or purpose).replace('.', '-')}-{secrets.token_hex(3)}"
        self.folder = Path(tempfile.mkdtemp(prefix="plumbline-"))
        self.holds = Holds(self.id, str(self.folder), (), os.getpid(), started(os.getpid()))
        self.holds.note()
        self._since = 0.0
        self._offsets: dict[Path, int] = {}
        self._steps = 0
        self._namespace: str | None = None
        self._group: cgroups.Cgroup | None = None
        self._front: FrontPart | None = None

    def start(self) -> None:
        """Build the topology and start the workload; `close` undoes a start that failed half-way, too.

        Raises:
            MissingError: The machine lacks something.
            LabError: A part does not start.
        """
        topology = self.topology
        if topology.memory_limit_bytes is not None:
            self._make_cgroup(topology.memory_limit_bytes)
        self.link = Link(self.id, self.folder, netns=topology.netns, env=self._base())
        holds = Holds(self.id, str(self.folder), self.holds.cgroups, self.link.pid, started(self.link.pid))
        holds.note()
        self.holds = holds
        self.link.ask("hold", cgroups=list(holds.cgroups), files=[str(holds.path)])
        if topology.netns:
            self._namespace = of(self.link.pid)
            weakref.finalize(self, os.close, pin(self.link.pid))
        make_commands(self.folder)
        self.gateway = GatewayPart(self, topology.settings)
        if topology.haproxy is not None:
            self._front = FrontPart(self, topology.haproxy)
        group = (str(self._group.folder), self._group.limit_file) if self._group else None
        restart_s = topology.restart_delay_s if topology.supervised else None
        self.gateway.start(unit=unit(topology), restart_s=restart_s, cgroup=group)
        if self._front is not None:
            self._front.start()
        self._start_workload()
        self._register()

    def _make_cgroup(self, limit_bytes: int) -> None:
        try:
            self._group = cgroups.create(self.id, limit_bytes)
        except cgroups.CgroupError as error:
            raise MissingError(str(error)) from None
        self.holds = Holds(
            self.id, str(self.folder), (str(self._group.folder),), self.holds.owner_pid, self.holds.owner_started
        )
        self.holds.note()

    def _start_workload(self) -> None:
        plan = json.dumps(asdict(self.topology.workload))
        argv = [sys.executable, "-m", "plumbline.lab.workload", self.url, str(self._questions), plan]
        self.launch("workload", argv, pidfile=str(self.folder / "workload.pid"))
        self.until(self._questions.is_socket, "the workload answers")

    def _register(self) -> None:
        state = LabState(
            id=self.id,
            owner_pid=self.link.pid,
            owner_started=self.holds.owner_started,
            started_at=time.time(),
            purpose=self.purpose,
            problem=self.problem,
            endpoint=LabEndpoint(**_without_name(self.endpoint)),
        )
        self.link.ask("register", path=str(self.holds.state), state=state.model_dump(mode="json", by_alias=True))

    @property
    def _questions(self) -> Path:
        return self.folder / "workload.sock"

    @property
    def front(self) -> FrontPart:
        """HAProxy in front.

        Raises:
            LookupError: The topology has none.
        """
        if self._front is None:
            raise LookupError("this topology has no HAProxy: give it the text of a configuration (Topology.haproxy)")
        return self._front

    @property
    def fronted(self) -> bool:
        """True if HAProxy stands in front."""
        return self._front is not None

    @property
    def cgroup(self) -> Path:
        """Folder of the gateway's memory cgroup.

        Raises:
            LookupError: The topology has none.
        """
        if self._group is None:
            raise LookupError("this topology has no cgroup: give it a limit (Topology.memory_limit_bytes)")
        return self._group.folder

    @property
    def cgroup_limit(self) -> Path:
        """The file that holds the cgroup's limit; its name differs between cgroup v1 and v2."""
        return self.cgroup / (self._group.limit_file if self._group else "")

    @property
    def url(self) -> str:
        """WebSocket address that clients use."""
        return self._front.url if self._front else self.gateway.url

    @property
    def endpoint(self) -> Endpoint:
        """The lab as a target of diagnostics, for processes outside of its network namespace too."""
        return Endpoint(
            name="lab",
            url=self.url,
            pid=self.gateway.pid,
            admin=str(self.gateway.admin),
            metrics=f"http://127.0.0.1:{self.gateway.port}/metrics",
            netns_of=self.link.pid if self.topology.netns else None,
            cgroup=str(self._group.folder) if self._group else None,
            patience_s=self.topology.patience_s,
        )

    def _base(self) -> dict[str, str]:
        return environment(os.environ, lab=self.id, folder=self.folder)

    @property
    def environment(self) -> Mapping[str, str]:
        """Variables that fences, spawned processes and the practice shell see."""
        return environment(
            os.environ,
            lab=self.id,
            folder=self.folder,
            gateway=self.gateway,
            front=self._front,
            cgroup=self._group,
        )

    def launch(self, name: str, argv: list[str], **recipe: Any) -> int:
        """Start a process under the keeper, with the lab's environment, and return its pid.

        Raises:
            LabError: It cannot be started, or the name is taken.
        """
        fields = {"name": name, "argv": argv, "env": dict(self.environment), "cwd": str(self.folder)} | recipe
        fields.setdefault("stdout", str(self.folder / f"{name}.log"))
        pid: int = self.link.ask("start", recipe=fields)["pid"]
        return pid

    def spawn(self, name: str, *argv: str) -> int:
        """Start a further process and return its pid."""
        return self.launch(name, list(argv))

    def client(self, script: str, *argv: str) -> int:
        """Start a script of `plumbline.lab.clients` and return its pid."""
        return self.launch(script, [sys.executable, "-m", f"plumbline.lab.clients.{script}", self.url, *argv])

    def stop(self, name: str) -> None:
        """Stop a process and wait for its end."""
        self.link.ask("stop", name=name)

    def crew(self) -> frozenset[str]:
        """Return the names of all processes that run now, steps of a guide excepted."""
        return frozenset(
            name for name, life in self.link.lives.items() if life.code is None and not name.startswith("step-")
        )

    def gone(self, name: str) -> bool:
        """Tell whether a process has ended for good."""
        life = self.link.lives.get(name)
        return life is None or (life.code is not None and not life.again)

    def run(self, code: str, *, timeout_s: float) -> Outcome:
        """Run shell code as the guides' fences are run: `bash -euo pipefail`, in the lab's folder."""
        self._steps += 1
        name = f"step-{self._steps}"
        log = self.folder / f"{name}.log"
        self.launch(name, ["bash", "-euo", "pipefail", "-c", code], stdout=str(log))
        life = self.link.lives[name]
        try:
            self.link.wait(lambda: life.code is not None, "the step ends", timeout_s)
        except LabError:
            self.stop(name)
            return Outcome(None, log.read_text(errors="replace"))
        return Outcome(life.code, log.read_text(errors="replace"))

    def set(self, **settings: Any) -> None:
        """Change settings of the running gateway.

        Raises:
            LabError: The gateway refuses, or does not answer.
        """
        try:
            ask(self.gateway.admin, {"set": settings})
        except AdminError as error:
            raise LabError(error.sentence) from None

    def mark(self, *, logs: bool = False) -> None:
        """Begin a new stretch of time: what was measured before no longer counts (nor, on request, what was logged)."""
        self._since = time.monotonic()
        if logs:
            self._offsets = {path: path.stat().st_size for path in self._logs() if path.exists()}

    def service(self, window_s: float = 2.0) -> Service:
        """Return what the workload measured in the last seconds, but not before the last `mark`.

        Raises:
            LabError: The workload does not answer.
        """
        return measure(self._questions, window_s, self._since)

    def _logs(self) -> list[Path]:
        return [self.gateway.log, *([self._front.log] if self._front else [])]

    def logs(self) -> str:
        """Return what gateway and front logged since the last `mark(logs=True)`."""
        return "".join(after(path, self._offsets.get(path, 0)) for path in self._logs())

    def until(self, done: Callable[[], bool], what: str, timeout_s: float = START_S) -> None:
        """Poll until something is true.

        Raises:
            LabError: It did not come true in time.
        """
        deadline = time.monotonic() + timeout_s
        while not done():
            if time.monotonic() > deadline:
                raise LabError(f"waited {timeout_s:.0f} s until {what}, in vain")
            time.sleep(_POLL_S)

    def close(self) -> None:
        """End everything; `leftovers` says whether that succeeded."""
        link: Link | None = getattr(self, "link", None)
        if link is not None:
            link.close()
        if self.holds.leftovers():  # no keeper, or one that was killed
            self.holds.sweep()
        shutil.rmtree(self.folder, ignore_errors=True)

    def leftovers(self) -> list[str]:
        """Say what is left of a closed lab on this machine, one phrase each; its network namespace, too."""
        found = self.holds.leftovers()
        if self._namespace is not None:
            found += [f"process {pid} in the lab's network namespace" for pid in inhabitants(self._namespace)]
        return found


def _without_name(endpoint: Endpoint) -> dict[str, Any]:
    fields = asdict(endpoint)
    del fields["name"]
    return fields
