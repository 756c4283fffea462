"""Faults during a run: a process is killed, or a command runs, at a set time."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from plumbline.streaming.load.errors import LoadError
from plumbline.streaming.load.sampling import gateway

_FORM = re.compile(r"(?P<name>[a-z][a-z0-9-]*)@(?P<at>\d+(?:\.\d+)?)(?:=(?P<action>.+))?", re.DOTALL)
NAMES = ("kill-worker", "restart-broker", "kill-region", "pause")
COMMAND_S = 60.0  # a command that takes longer is killed


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens when.

    Args:
        name: For the report.
        at_s: Seconds after all connections stood for the first time.
        pids: Processes to kill (SIGKILL), or to stop for `pause`.
        command: Command to run instead.
        pause_s: For `pause`: how long the processes stand still.
    """

    name: str
    at_s: float
    pids: tuple[int, ...] = ()
    command: tuple[str, ...] = ()
    pause_s: float = 1.0


def parse(text: str) -> Fault:
    """Read `NAME@SECONDS`, `NAME@SECONDS=pid:12,13` or `NAME@SECONDS=run:COMMAND`.

    Raises:
        LoadError: It is not of that form.
    """
    found = _FORM.fullmatch(text.strip())
    if found is None or found["name"] not in NAMES:
        raise LoadError(
            f"{text!r} is no fault; write one of {', '.join(NAMES)} with a time and what to do: kill-worker@60, "
            "kill-region@30=pid:12,13, restart-broker@20=run:'systemctl restart nats'"
        )
    name, at_s, action = found["name"], float(found["at"]), found["action"] or ""
    kind, _, rest = action.partition(":")
    if not action:
        if name != "kill-worker":
            raise LoadError(f"{name}@{at_s:g} needs to know what to do: {name}@{at_s:g}=pid:N or =run:COMMAND")
        return Fault(name, at_s)
    if kind == "pid" and re.fullmatch(r"\d+(,\d+)*", rest):
        return Fault(name, at_s, pids=tuple(map(int, rest.split(","))))
    if kind == "run" and rest.strip() and name != "pause":
        return Fault(name, at_s, command=tuple(shlex.split(rest)))
    raise LoadError(f"{action!r} says nothing that {name} can do; write pid:12,13 or run:COMMAND")


async def strike(fault: Fault, admins: Sequence[str]) -> dict[str, Any]:
    """Let it happen; returns what was done, for the report."""
    if fault.command:
        return {"name": fault.name, "did": f"ran {shlex.join(fault.command)}", "result": await _run(fault.command)}
    pids = fault.pids or _fullest_worker(admins)
    if not pids:
        return {"name": fault.name, "did": "nothing", "result": "no worker is known; give --admin or =pid:N"}
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP if fault.name == "pause" else signal.SIGKILL)
        if fault.name == "pause":
            try:
                await asyncio.sleep(fault.pause_s)
            finally:
                for pid in pids:
                    os.kill(pid, signal.SIGCONT)
    except OSError as error:
        return {"name": fault.name, "did": f"signalled {_list(pids)}", "result": error.strerror or str(error)}
    did = f"stopped {_list(pids)} for {fault.pause_s:g} s" if fault.name == "pause" else f"killed {_list(pids)}"
    return {"name": fault.name, "did": did, "result": "ok"}


def _list(pids: Sequence[int]) -> str:
    return "pid " + ", ".join(map(str, pids))


def _fullest_worker(admins: Sequence[str]) -> tuple[int, ...]:
    """Return the worker with the most connections: what hurts most."""
    workers = [stats for admin in admins for stats in gateway(admin) if "pid" in stats]
    workers.sort(key=lambda stats: stats.get("connections", 0))
    return (int(workers[-1]["pid"]),) if workers else ()


async def _run(command: Sequence[str]) -> str:
    try:
        child = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL)
    except OSError as error:
        return f"{command[0]}: {error.strerror}"
    try:
        async with asyncio.timeout(COMMAND_S):
            code = await child.wait()
    except TimeoutError:
        child.kill()
        await child.wait()
        return f"killed after {COMMAND_S:g} s"
    return "ok" if code == 0 else f"exit code {code}"
