"""The keeper's loop: requests on stdin, events on stdout, deaths of children; one thread."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import sys
import time
from pathlib import Path
from typing import Any

from plumbline.lab.keeper.child import Child, Recipe
from plumbline.lab.keeper.namespace import mount
from plumbline.lab.keeper.sweep import sweep
from plumbline.lab.keeper.tether import adopt_orphans

LOOK_S = 1.0
"""How often the keeper looks whether its owner lives, in seconds: a pipe that leaked to another process never ends."""
KILL_AFTER_S = 3.0
"""A process that was asked to stop is killed after this time, in seconds, unless its unit says another."""


def say(message: dict[str, Any]) -> None:
    """Write one line to the owner; an owner that is gone hears nothing."""
    with contextlib.suppress(OSError):
        os.write(1, (json.dumps(message) + "\n").encode())


class Keeper:
    """Holds the processes of one lab."""

    def __init__(self, lab: str, folder: Path) -> None:
        self.lab = lab
        self.folder = folder
        self.children: dict[str, Child] = {}
        self.cgroups: list[Path] = []
        self.files: list[Path] = []
        self.state: dict[str, Any] | None = None
        self.open = True
        self.owner = os.getppid()
        self.killing: dict[str, float] = {}
        self._buffer = b""

    def run(self) -> int:
        """Serve until stdin ends, `close` is asked, or SIGTERM comes; then clean up."""
        adopt_orphans()
        wake, wakened = os.pipe()
        for end in (wake, wakened):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(wakened, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the owner; its end is ours
        with selectors.DefaultSelector() as selector:
            selector.register(0, selectors.EVENT_READ)
            selector.register(wake, selectors.EVENT_READ)
            say({"event": "ready", "pid": os.getpid()})
            while self.open:
                for key, _ in selector.select(self._pause()):
                    if key.fd == wake:
                        with contextlib.suppress(BlockingIOError):
                            os.read(wake, 4096)
                    else:
                        self._read()
                self._reap()
                self._due()
                self.open = self.open and os.getppid() == self.owner
        self._finish()
        return 0

    def _on_signal(self, number: int, _: object) -> None:
        if number != signal.SIGCHLD:
            self.open = False

    def _pause(self) -> float:
        due = [child.due for child in self.children.values() if child.due is not None] + list(self.killing.values())
        return min(LOOK_S, max(0.0, min(due) - time.monotonic())) if due else LOOK_S

    def _read(self) -> None:
        chunk = os.read(0, 65536)
        if not chunk:
            self.open = False
            return
        *lines, self._buffer = (self._buffer + chunk).split(b"\n")
        for line in lines:
            request = json.loads(line)
            try:
                answer = getattr(self, f"do_{request['op']}")(request)
            except (OSError, ValueError) as error:
                say({"id": request["id"], "error": str(error)})
                continue
            if answer is not None:
                say({"id": request["id"], "ok": answer})

    def do_start(self, request: dict[str, Any]) -> dict[str, Any]:
        """Start a process under a name that is free."""
        recipe = Recipe.read(request["recipe"])
        old = self.children.get(recipe.name)
        if old is not None and (old.running or old.due is not None):
            raise ValueError(f"'{recipe.name}' already runs in this lab; stop it first, or give another name")
        child = self.children[recipe.name] = Child(recipe)
        child.start()
        self._started(child)
        return {"pid": child.pid}

    def do_stop(self, request: dict[str, Any]) -> dict[str, Any] | None:
        """Stop a process and answer when it has ended; with `again`, start it anew."""
        child = self.children.get(request["name"])
        if child is None:
            raise ValueError(
                f"there is no '{request['name']}' in this lab; there are {', '.join(self.children) or 'none'}"
            )
        child.stopping = not request.get("again", False)
        if not child.running:
            if child.stopping:
                child.due = None
            elif child.due is None:
                child.due = time.monotonic()
            return {}
        child.waiting.append(request["id"])
        child.signal(signal.SIGTERM)
        asked_s = child.unit.stop_s
        self.killing[child.recipe.name] = time.monotonic() + (KILL_AFTER_S if asked_s is None else asked_s)
        return None

    def do_hold(self, request: dict[str, Any]) -> dict[str, Any]:
        """Remember a cgroup and files that go with the lab."""
        self.cgroups += [Path(path) for path in request.get("cgroups", ())]
        self.files += [Path(path) for path in request.get("files", ())]
        return {}

    def do_mount(self, request: dict[str, Any]) -> dict[str, Any]:
        """Mount something in the lab's own mount namespace; it goes with the namespace."""
        mount(request["source"], request["target"], request["type"], request.get("options", ""))
        return {}

    def do_register(self, request: dict[str, Any]) -> dict[str, Any]:
        """Write the lab's state file now and whenever the gateway gets another pid."""
        self.state = {"path": request["path"], "state": request["state"], "main": request.get("main", "gateway")}
        self.files.append(Path(request["path"]))
        self._write_state()
        return {}

    def do_close(self, _: dict[str, Any]) -> dict[str, Any]:
        """End: stdin may as well be closed."""
        self.open = False
        return {}

    def _started(self, child: Child) -> None:
        say({"event": "started", "name": child.recipe.name, "pid": child.pid, "starts": child.starts})
        if self.state is not None and child.recipe.name == self.state["main"]:
            self.state["state"]["endpoint"]["pid"] = child.pid
            self._write_state()

    def _write_state(self) -> None:
        if self.state is not None:
            path = Path(self.state["path"])
            path.parent.mkdir(parents=True, exist_ok=True)
            replacement = path.with_suffix(".new")
            replacement.touch(mode=0o600)
            replacement.write_text(json.dumps(self.state["state"]))
            replacement.replace(path)

    def _reap(self) -> None:
        """Collect every child that ended, adopted orphans too."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for child in self.children.values():
                if child.running and child.pid == pid:
                    self._ended(child, os.waitstatus_to_exitcode(status))

    def _ended(self, child: Child, code: int) -> None:
        name = child.recipe.name
        child.ended(code)
        self.killing.pop(name, None)
        say({"event": "exited", "name": name, "pid": child.pid, "code": code, "again": child.due is not None})
        for request in child.waiting:
            say({"id": request, "ok": {}})
        child.waiting.clear()

    def _due(self) -> None:
        now = time.monotonic()
        for name, moment in list(self.killing.items()):
            if now >= moment:
                del self.killing[name]
                self.children[name].signal(signal.SIGKILL)
        for child in self.children.values():
            if child.due is not None and now >= child.due:
                try:
                    child.start()
                except (OSError, ValueError) as error:
                    child.due = None
                    say({"event": "failed", "name": child.recipe.name, "sentence": str(error)})
                else:
                    self._started(child)

    def _finish(self) -> None:
        """Stop everything at once, then remove what is left."""
        for child in self.children.values():
            child.stopping = True
            child.due = None
            child.signal(signal.SIGTERM)
        deadline = time.monotonic() + 1.0
        while any(child.running for child in self.children.values()) and time.monotonic() < deadline:
            self._reap()
            time.sleep(0.01)
        for child in self.children.values():
            child.signal(signal.SIGKILL)
        os.chdir("/")
        sweep(self.lab, self.folder, self.cgroups, self.files, spare=(os.getppid(),))
        self._reap()
        sys.stdout.flush()
