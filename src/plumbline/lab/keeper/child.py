"""One supervised process: how to start it, and its life so far."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from plumbline.lab.keeper import unit as units
from plumbline.lab.keeper.cgroup import Cgroup
from plumbline.lab.keeper.tether import tether


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a process is started; the fields come as JSON from the owner.

    Args:
        name: Its name in the lab.
        argv: Program and arguments.
        env: Its whole environment.
        cwd: Working directory.
        stdout: File that its stdout is written to, anew at each start.
        stderr: File that its stderr is appended to; None joins stdout.
        pidfile: File that its pid is written to.
        unit: Folder of drop-in files that are read at each start.
        cgroup: (folder, name of the limit file) of the memory cgroup that it joins.
        groups: Folders of further cgroups that it joins.
        restart_s: Pause before it is started again after its death, in seconds; None: never.
    """

    name: str
    argv: tuple[str, ...]
    env: dict[str, str]
    cwd: str
    stdout: str
    stderr: str | None = None
    pidfile: str | None = None
    unit: str | None = None
    cgroup: tuple[str, str] | None = None
    groups: tuple[str, ...] = ()
    restart_s: float | None = None

    @classmethod
    def read(cls, fields: dict[str, Any]) -> Recipe:
        """Build it from JSON."""
        group = fields.get("cgroup")
        tuples = {"argv": tuple(fields["argv"]), "groups": tuple(fields.get("groups", ()))}
        return cls(**fields | tuples | {"cgroup": tuple(group) if group else None})


@dataclass(slots=True)
class Child:
    """A process under the keeper, over all its starts."""

    recipe: Recipe
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0
    due: float | None = None
    stopping: bool = False
    waiting: list[int] = field(default_factory=list)

    @property
    def pid(self) -> int:
        """Process id of the latest start; 0 before the first."""
        return self.process.pid if self.process else 0

    @property
    def running(self) -> bool:
        """True until its end was noticed."""
        return self.process is not None and self.process.returncode is None

    def start(self) -> None:
        """Start it, with what its unit says now.

        Raises:
            OSError: The program cannot be started, or its limits cannot be set.
            UnitError: A drop-in file is wrong.
        """
        recipe, limits = self.recipe, units.Unit()
        if recipe.unit:
            limits = units.read(Path(recipe.unit))
        if recipe.cgroup and limits.memory_max is not None:
            Cgroup(Path(recipe.cgroup[0]), recipe.cgroup[1]).limit.write_text(str(limits.memory_max))
        with contextlib.ExitStack() as stack:
            out = stack.enter_context(Path(recipe.stdout).open("wb"))
            errors = stack.enter_context(Path(recipe.stderr).open("ab")) if recipe.stderr else subprocess.STDOUT
            groups = dict.fromkeys([*([recipe.cgroup[0]] if recipe.cgroup else []), *recipe.groups])
            bind = tether(nofile=limits.nofile, cgroups=tuple(groups))
            try:
                self.process = subprocess.Popen(
                    recipe.argv,
                    env=recipe.env,
                    cwd=recipe.cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=errors,
                    start_new_session=True,
                    preexec_fn=bind,  # noqa: PLW1509 - the keeper has no threads
                )
            except subprocess.SubprocessError as error:
                raise OSError(f"'{recipe.name}' cannot be put under its limits: {error}") from None
        self.starts += 1
        self.due = None
        if recipe.pidfile:
            replacement = Path(f"{recipe.pidfile}.new")
            replacement.write_text(f"{self.pid}\n")
            replacement.replace(recipe.pidfile)

    def ended(self, code: int) -> None:
        """Note its end, and when it is due again."""
        if self.process is not None:
            self.process.returncode = code
        if self.recipe.restart_s is not None and not self.stopping:
            self.due = time.monotonic() + self._pause()

    def _pause(self) -> float:
        asked = self.unit.restart_s
        return (self.recipe.restart_s or 0.0) if asked is None else asked

    @property
    def unit(self) -> units.Unit:
        """What its unit says now; nothing if it has none, or a wrong one."""
        with contextlib.suppress(units.UnitError, OSError):
            return units.read(Path(self.recipe.unit)) if self.recipe.unit else units.Unit()
        return units.Unit()

    def signal(self, number: signal.Signals) -> None:
        """Signal its whole process group, a stopped one too."""
        if self.running:
            for each in (number, signal.SIGCONT):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.pid, each)
