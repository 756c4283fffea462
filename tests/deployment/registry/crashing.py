"""Kills real processes between any two steps of an operation, and looks at what they left.

Run as a program: `crashing.py SCENARIO FOLDER` forks a process per step, kills it there (SIGKILL), then checks the
registry and finishes the operation. Prints how many processes were killed; what is inconsistent ends it.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from small_artefacts import LOOKING, artefact
from sqlalchemy import event
from sqlalchemy.engine import Engine

from plumbline.deployment.registry import Registry

CHANGES = frozenset({"os.rename", "os.mkdir", "os.rmdir", "os.remove", "os.chmod", "os.link"})
LIMIT = 300


def kill_at(number: int, folder: Path) -> None:
    """Kill this process before its n-th step: a file that changes, a sync, a word to the database."""
    left = number

    def step(*_: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def audited(name: str, given: tuple[Any, ...]) -> None:
        written = name == "open" and isinstance(given[2], int) and given[2] & (os.O_WRONLY | os.O_RDWR)
        if (name in CHANGES or written) and str(given[0]).startswith(str(folder)):
            step()

    sync = os.fsync

    def synced(fd: int) -> None:
        step()
        sync(fd)

    sys.addaudithook(audited)
    os.fsync = synced
    event.listen(Engine, "before_cursor_execute", step)
    event.listen(Engine, "commit", step)


def killed(number: int, folder: Path, work: Callable[[], object]) -> bool:
    """Do the work in a process that dies at its n-th step; return False if it had fewer."""
    child = os.fork()
    if child == 0:
        kill_at(number, folder)
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - a forked process must never return into the parent's code
            print(f"the work failed by itself: {error!r}", file=sys.stderr, flush=True)
            os._exit(3)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return True
    assert os.WEXITSTATUS(status) == 0, f"step {number}: exit {os.WEXITSTATUS(status)}"
    return False


def consistent(registry: Registry) -> None:
    """Check what must always hold: each file of each version is whole, each alias is where its history ends."""
    assert registry.verify().damages == ()
    for model in registry.models():
        ends: dict[str, str | None] = {}
        for move in registry.history(model):
            assert move.source == ends.get(move.alias), move
            ends[move.alias] = move.target
        assert {alias: at for alias, at in ends.items() if at is not None} == registry.aliases(model)
        for one in registry.versions(model):
            assert registry.get(model, one.digest).version == one.version


def registering(root: Path, number: int) -> tuple[Path, Callable[[], object], Callable[[Registry], None]]:
    manifest, files = artefact(root / f"made{number}", b"weights %d" % number)
    folder = root / f"registry{number // 8}"  # a small one is quickly checked

    def work() -> object:
        with Registry.open(folder) as registry:
            return registry.register(manifest, files, by="ada", looking=LOOKING)

    def after(registry: Registry) -> None:
        before = len(registry.versions("churn"))
        made = registry.register(manifest, files, by="ada", looking=LOOKING)
        assert len(registry.versions("churn")) == before + made.fresh

    return folder, work, after


def moving(root: Path, number: int) -> tuple[Path, Callable[[], object], Callable[[Registry], None]]:
    with Registry.open(root / "registry") as registry:
        if number == 1:
            for content in (b"1", b"2"):
                manifest, files = artefact(root / "made", content)
                registry.register(manifest, files, by="ada", looking=LOOKING)
        now = registry.aliases("churn").get("production")
    to = "1.0.0" if now == "1.0.1" else "1.0.1"

    def work() -> object:
        with Registry.open(root / "registry") as registry:
            lease = registry.lease("churn", "crash", 60)
            return registry.move("churn", "production", to=to, expect=now, by="ada", why="test", epoch=lease.epoch)

    def after(registry: Registry) -> None:
        where = registry.aliases("churn").get("production")
        assert where in (now, to)
        epoch = registry.lease("churn", "crash", 60).epoch
        registry.move("churn", "production", to=to, expect=where, by="ada", why="again", epoch=epoch)

    return root / "registry", work, after


def collecting(root: Path, number: int) -> tuple[Path, Callable[[], object], Callable[[Registry], None]]:
    with Registry.open(root / "registry") as registry:
        for content in (b"1", b"2", b"3 %d" % number):  # the first two come back each time
            manifest, files = artefact(root / "made", content)
            registry.register(manifest, files, by="ada", looking=LOOKING)

    def work() -> object:
        with Registry.open(root / "registry") as registry:
            return registry.collect(keep_promoted=1, younger_than_s=0)

    def after(registry: Registry) -> None:
        registry.collect(keep_promoted=1, younger_than_s=0)
        assert len(list(registry.blobs.all())) == 2  # the highest version's model and its labels
        assert sum(one.collected_at is None for one in registry.versions("churn")) == 1

    return root / "registry", work, after


def creating(root: Path, number: int) -> tuple[Path, Callable[[], object], Callable[[Registry], None]]:
    folder = root / f"registry{number}"
    return folder, lambda: Registry.open(folder).close(), lambda registry: None


SCENARIOS = {one.__name__: one for one in (registering, moving, collecting, creating)}


def main(scenario: str, root: Path) -> None:
    for number in range(1, LIMIT):
        folder, work, after = SCENARIOS[scenario](root, number)
        if scenario != "creating":
            Registry.open(folder).close()
        died = killed(number, folder, work)
        with Registry.open(folder) as registry:
            consistent(registry)
            after(registry)
            consistent(registry)
        if not died:
            print(number - 1)
            return
    raise AssertionError(f"more than {LIMIT} steps")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
