"""A running lab: gateway, front, workload and whatever a fault adds, under one keeper."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from plumbline.diagnosis.targets import LabEndpoint, LabState
from plumbline.evidence import Endpoint
from plumbline.lab.crowds import Crowds
from plumbline.lab.environment import environment, make_commands
from plumbline.lab.errors import LabError
from plumbline.lab.fault import Topology
from plumbline.lab.holds import started
from plumbline.lab.keeper.namespace import inhabitants, of, pin
from plumbline.lab.link import Link
from plumbline.lab.logs import after
from plumbline.lab.parts.builder import MAIN
from plumbline.lab.parts.clock import ClockPart
from plumbline.lab.parts.front import FrontPart
from plumbline.lab.parts.host import START_S, Process
from plumbline.lab.questions import answers, measure
from plumbline.lab.service import Service, Workload
from plumbline.streaming.probes.adminclient import AdminError, ask

_POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a shell step did: its exit code (None: it ran into the time limit) and what it printed, both streams."""

    code: int | None
    output: str


class RunningLab(Crowds):
    """Implements `plumbline.lab.Lab`; `running` makes one."""

    def __init__(self, topology: Topology, purpose: str, problem: str | None) -> None:
        super().__init__(topology, f"{(problem or purpose).replace('.', '-')}-{secrets.token_hex(3)}")
        self.purpose = purpose
        self.problem = problem
        self._offsets: dict[Path, int] = {}
        self._steps = 0
        self._namespace: str | None = None

    def start(self) -> None:
        """Build the topology and start the workload; `close` undoes a start that failed half-way, too.

        Raises:
            MissingError: The machine lacks something.
            LabError: A part does not start.
        """
        topology = self.topology
        self.make_groups()
        mountns = "mountns" in topology.needs
        base = environment(os.environ, lab=self.id, folder=self.folder)
        self.link = Link(self.id, self.folder, netns=topology.netns, mountns=mountns, env=base)
        self.holds = replace(self.holds, owner_pid=self.link.pid, owner_started=started(self.link.pid))
        self.holds.note()
        if topology.netns:
            self._namespace = of(self.link.pid)
            weakref.finalize(self, os.close, pin(self.link.pid))
        self.build_parts()
        self.link.ask("hold", cgroups=list(self.holds.cgroups), files=[str(self.holds.path)])
        servers = [name for name, part in self.built.items() if isinstance(part, Process)]
        make_commands(self.folder, [*servers, *([MAIN] if topology.victim is None else [])])
        self.start_parts()
        for population in topology.populations:
            self.populate(population)
        self._start_workload()
        self._register()

    def _start_workload(self) -> None:
        plan = json.dumps(asdict(self.workload))
        where = json.dumps({"main": self.url, **{node: self.part(node).url for node in self.workload.subscribe_at}})
        argv = [sys.executable, "-m", "plumbline.lab.workload", where, str(self._questions), plan]
        self.launch("workload", argv, pidfile=str(self.folder / "workload.pid"))
        self.until(lambda: answers(self._questions), "the workload answers")

    @property
    def workload(self) -> Workload:
        """The topology's workload; without a gateway it has no messages."""
        plan = self.topology.workload
        if self.topology.victim is None:
            return plan
        return replace(plan, subscribers=0, channels=0, quiet=0, connects_hz=0.0)

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
        told = state.model_dump(mode="json", by_alias=True)
        self.link.ask("register", path=str(self.holds.state), state=told, main=self.main_name)

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
    def endpoint(self) -> Endpoint:
        """The lab as a target of diagnostics, for processes outside of its network namespace too."""
        gateway, monitored = self._gateway, self.topology.monitored
        told: dict[str, Any] = {}
        for part in self.built.values():
            told |= part.target
        return Endpoint(
            name="lab",
            url=self.url,
            pid=self.main.pid,
            admin=str(self.main.admin) if self.main.admin else None,
            metrics=self.part(monitored).monitor if monitored else gateway.metrics if gateway else None,
            netns_of=self.link.pid if self.topology.netns else None,
            cgroup=str(self._group.folder) if self._group else None,
            patience_s=self.topology.patience_s,
            ca=self.variables().get("TLS_CA"),
            clocks=tuple(part.address for part in self.built.values() if isinstance(part, ClockPart)) or None,
            **told,
        )

    @property
    def environment(self) -> Mapping[str, str]:
        """Variables that fences, spawned processes and the practice shell see."""
        return environment(os.environ, lab=self.id, folder=self.folder) | self.variables()

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

    def workers(self) -> list[dict[str, Any]]:
        """Return what the supervisor says of its workers.

        Raises:
            LabError: It does not answer, or the gateway has no workers.
        """
        try:
            found: Any = ask(self.gateway.admin, {"get": "workers"})
        except AdminError as error:
            raise LabError(error.sentence) from None
        return list(found.get("workers", [])) if isinstance(found, dict) else list(found)

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
        parts = [part for part in self.built.values() if isinstance(part, Process)]
        return [part.log for part in (self._gateway, self._front, *parts) if part is not None]

    def logs(self) -> str:
        """Return what the servers logged since the last `mark(logs=True)`."""
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
