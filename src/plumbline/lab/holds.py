"""What a lab holds on this machine, noted before it is taken, so that the next lab can reap what a dead one left."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from plumbline.diagnosis.targets import labs_folder
from plumbline.lab.keeper.sweep import members, sweep

_SAME_START_S = 1.5
"""A pid is the same process if its start differs by less, in seconds: the boot time is known in whole seconds."""


@dataclass(frozen=True, slots=True)
class Holds:
    """One lab's belongings.

    Args:
        lab: Its id.
        folder: Its folder.
        cgroups: Its cgroups.
        owner_pid: Process that will remove all of it: the keeper, or whoever is about to start it.
        owner_started: When that process was started, seconds since the epoch.
    """

    lab: str
    folder: str
    cgroups: tuple[str, ...]
    owner_pid: int
    owner_started: float

    @property
    def path(self) -> Path:
        """The file in which this is noted."""
        return labs_folder() / f"{self.lab}.holds"

    @property
    def state(self) -> Path:
        """The lab's state file."""
        return labs_folder() / f"{self.lab}.json"

    def note(self) -> None:
        """Write it down, atomically."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        replacement = self.path.with_suffix(f".{os.getpid()}")
        replacement.write_text(json.dumps(asdict(self)))
        replacement.replace(self.path)

    @property
    def orphaned(self) -> bool:
        """True if nobody is left to clean up."""
        try:
            return abs(psutil.Process(self.owner_pid).create_time() - self.owner_started) >= _SAME_START_S
        except psutil.Error:
            return True

    def sweep(self) -> None:
        """Remove all of it."""
        sweep(self.lab, Path(self.folder), [Path(group) for group in self.cgroups], [self.state, self.path])

    def leftovers(self) -> list[str]:
        """Say what is still there, one phrase each; empty after a clean end."""
        found = [f"process {process.pid} ({_name(process)})" for process in members(self.lab)]
        paths = [Path(self.folder), self.state, self.path, *(Path(group) for group in self.cgroups)]
        return found + [str(path) for path in paths if path.exists()]


def _name(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.Error:
        return "ending"


def started(pid: int) -> float:
    """Return when a process was started, seconds since the epoch."""
    return psutil.Process(pid).create_time()


def reap() -> list[str]:
    """Remove what dead labs left behind, and return their ids."""
    reaped = []
    for path in labs_folder().glob("*.holds"):
        try:
            noted = json.loads(path.read_text())
            holds = Holds(**noted | {"cgroups": tuple(noted["cgroups"])})
        except (OSError, ValueError, TypeError, KeyError):  # gone meanwhile, or written by another version
            continue
        if holds.orphaned:
            holds.sweep()
            reaped.append(holds.lab)
    return reaped
