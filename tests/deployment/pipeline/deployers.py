"""Doubles for deployments: a registry (in memory or in a file, for processes), a lane, a pipeline's work, counts."""

from __future__ import annotations

import fcntl
import json
import os
import socketserver
import threading
from dataclasses import dataclass, field
from pathlib import Path

from plumbline.deployment.core.errors import ConflictError, FencedError, InvalidError, NotFoundError, UnavailableError
from plumbline.deployment.core.lanes import COPY, Serving
from plumbline.deployment.core.verdicts import Outcome, Verdict
from plumbline.deployment.lanes.artefact import ArtefactLane
from plumbline.deployment.pipeline import recovery
from plumbline.deployment.pipeline.controller import Controller
from plumbline.deployment.pipeline.machine import Step
from plumbline.deployment.pipeline.plan import Plan, Stage
from plumbline.deployment.pipeline.ports import Built, Reading

MODEL = "churn"
OLD, NEW, NEWER = (
    Built(version, "sha256:" + char * 64) for version, char in (("1.0.0", "a"), ("1.1.0", "b"), ("2.0.0", "c"))
)


class Crash(BaseException):
    """The process is gone: nothing of it runs any more."""


@dataclass
class Lease:
    holder: str
    epoch: int


@dataclass
class Registry:
    """In memory."""

    versions: dict[str, str] = field(default_factory=lambda: {one.version: one.digest for one in (OLD, NEW, NEWER)})
    pointers: dict[str, str] = field(default_factory=dict)
    moves: list = field(default_factory=list)
    holder: str = ""
    epoch: int = 0

    def get(self, model, ref, /):
        version = self.pointers.get(ref, ref)
        if version not in self.versions:
            raise NotFoundError(f"no {ref}")
        return Built(version, self.versions[version])

    def aliases(self, model, /):
        return dict(self.pointers)

    def move(self, model, alias, /, *, to, expect, by, why, epoch=None):
        if epoch is not None and epoch < self.epoch:
            raise FencedError(f"epoch {epoch} is over")
        if self.pointers.get(alias) != expect:
            raise ConflictError(f"{alias} points at {self.pointers.get(alias)}, not at {expect}")
        self.pointers[alias] = to
        self.moves.append([expect, to, by, why])

    def lease(self, model, holder, ttl_s):
        if self.holder not in ("", holder):
            raise ConflictError(f"{self.holder} deploys {model}", holder=self.holder)
        self.holder, self.epoch = holder, self.epoch + 1
        return Lease(holder, self.epoch)

    def renew(self, lease, ttl_s, /):
        if lease.epoch != self.epoch:
            raise FencedError(f"epoch {lease.epoch} is over")
        return lease

    def release(self, lease, /):
        if lease.epoch == self.epoch:
            self.holder = ""


class FileRegistry:
    """The same in a file, for several processes; each operation is one transaction."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __getattr__(self, name):
        def operation(*given, **named):
            with self.path.open("a+") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                file.seek(0)
                registry = Registry(**json.loads(file.read() or "{}"))
                answer = getattr(registry, name)(*given, **named)
                fresh = self.path.with_suffix(".new")
                fresh.write_text(json.dumps(vars(registry)))
                file.seek(0)
                file.truncate()
                file.write(fresh.read_text())
            return answer

        return operation


@dataclass
class Lane:
    """In memory. `broken` names verbs that fail as often as it says."""

    shares: dict[str, float] = field(default_factory=dict)
    ready: set[str] = field(default_factory=set)
    epoch: int = 0
    copies: bool = True
    broken: dict[str, int] = field(default_factory=dict)

    def serving(self):
        return Serving(dict(self.shares), self.epoch, frozenset(self.ready))

    def _enter(self, verb, epoch):
        if epoch < self.epoch:
            raise FencedError(f"epoch {epoch} is older than {self.epoch}")
        self.epoch = epoch
        if self.broken.get(verb, 0) > 0:
            self.broken[verb] -= 1
            raise UnavailableError(f"{verb} fails")

    def prepare(self, digest, *, epoch):
        self._enter("prepare", epoch)
        if digest.endswith(COPY) and not self.copies:
            raise InvalidError(f"{digest} is no digest")
        self.ready.add(digest)

    def share(self, shares, *, epoch):
        self._enter("share", epoch)
        if set(shares) - self.ready or abs(sum(shares.values()) - 1) > 1e-9:
            raise InvalidError(f"{shares} cannot be")
        self.shares = dict(shares)

    def retire(self, digest, *, epoch):
        self._enter("retire", epoch)
        if digest in self.shares:
            raise ConflictError(f"{digest} has a share")
        self.ready.discard(digest)


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """A real Unix socket in front of a lane in memory: one JSON object per line, as model servers speak."""

    daemon_threads = True

    def __init__(self, path: Path, lane: Lane) -> None:
        super().__init__(str(path), _Link)
        self.path, self.lane, self.lock, self.heard = path, lane, threading.Lock(), []
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def handle_error(self, request, client_address):
        pass  # the other side was killed

    def close(self) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()
        self.path.unlink(missing_ok=True)


class _Link(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        for line in self.rfile:
            command = json.loads(line)
            with self.server.lock:
                answer = self._answer(command)
            self.wfile.write(json.dumps(answer).encode() + b"\n")

    def _answer(self, command):
        lane, verb = self.server.lane, command.pop("verb")
        self.server.heard.append(verb)
        if verb == "status":
            return {"shares": lane.shares, "epoch": lane.epoch, "ready": sorted(lane.ready)}
        first = command.pop("shares" if verb == "share" else "digest")
        try:
            getattr(lane, verb)(first, epoch=command["epoch"])
        except (FencedError, InvalidError, ConflictError, UnavailableError) as error:
            return {"error": error.as_dict()}
        return {"ok": True}


@dataclass
class Work:
    """A pipeline that has a candidate."""

    candidate: Built = NEW
    verdicts: tuple[Verdict, ...] = (Verdict("parity", Outcome.PASS, "the same answers"),)
    tested: tuple[Verdict, ...] = ()

    def build(self):
        return self.candidate

    def test(self, candidate):
        return self.tested

    def gates(self, candidate, production):
        return self.verdicts


@dataclass
class Counts:
    """At each look so many requests more were answered, as the lane shares them; some of the candidate's are errors."""

    per_look: int = 1_000
    errors: int = 0
    looks: int = 0
    names: set[str] = field(default_factory=set)
    broken: int = 0
    lane: Lane | ArtefactLane | None = None
    counted: dict[str, Reading] = field(default_factory=dict)

    def read(self, names):
        self.names |= set(names)
        if self.broken:
            self.broken -= 1
            raise UnavailableError("the metrics cannot be read")
        self.looks += 1
        for name, share in self.lane.serving().shares.items():
            before, bad = (
                self.counted.get(name, Reading()),
                self.errors if name != OLD.digest and COPY not in name else 0,
            )
            self.counted[name] = Reading(before.requests + round(self.per_look * share), before.errors + bad)
        return {name: self.counted[name] for name in names if name in self.counted}


@dataclass
class Clock:
    now: float = 1_000.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


def plan(**changes) -> Plan:
    return Plan(**{"model": MODEL, "by": "ada", "why": "better", "stages": (Stage(0.5, 2, 20),), **changes})


def controller(journal, registry, lane, clock=None, **changes) -> Controller:
    clock = clock or Clock()
    parts = {"work": Work(), "source": Counts(), "clock": clock, "pause": clock.sleep, **changes}
    if parts["source"] is not None:
        parts["source"].lane = lane
    return Controller(journal, registry, lane, **parts)


def serving_old() -> tuple[Registry, Lane]:
    """Return a registry and a lane that agree on the old version."""
    return Registry(pointers={"production": OLD.version}), Lane({OLD.digest: 1.0}, {OLD.digest})


def consistent(registry, lane, ended: str, old: Built = OLD, new: Built = NEW) -> None:
    """Assert that exactly one version serves, the one that the alias names, and the one that the end says."""
    wanted = new if ended == "promoted" else old
    assert registry.aliases(MODEL)["production"] == wanted.version
    assert lane.serving().shares == {wanted.digest: 1.0}
    assert not [name for name in lane.serving().ready if name.endswith(COPY)]


def kill_here() -> None:
    os.kill(os.getpid(), 9)


UNSURE = Verdict("performance", Outcome.INCONCLUSIVE, "12 rows are too few")
BAD = Verdict("latency", Outcome.FAIL, "20 ms, at most 10 ms")


def run(journal, registry, lane, planned=None, **parts):
    return recovery.deploy(journal, planned or plan(), lambda _: controller(journal, registry, lane, **parts))


def last(journal, deployment, step):
    return next(one for one in reversed(journal.entries(deployment.id)) if one.step == step)


def waits(journal, registry, lane, declared, **parts):
    deployment, state = run(journal, registry, lane, declared, **parts)
    assert state.step is Step.APPROVAL
    assert registry.holder == ""  # others may deploy meanwhile
    return deployment


def again(journal, registry, lane, **parts):
    return recovery.resume(journal, MODEL, lambda _: controller(journal, registry, lane, **parts))[0][1].step
