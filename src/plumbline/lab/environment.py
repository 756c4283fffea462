"""The environment of a guide's fences, of clients and of the practice shell; docs/reference/lab.md lists it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from plumbline.lab.keeper.sweep import MARK

_COMMANDS = "bin"


def make_commands(folder: Path, names: Iterable[str]) -> None:
    """Write a command `restart-NAME` for each server into the lab's folder, where the environment's `PATH` finds it."""
    (folder / _COMMANDS).mkdir()
    for name in names:
        command = folder / _COMMANDS / f"restart-{name}"
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m plumbline.lab.restart {name}\n')
        command.chmod(0o755)


def environment(base: Mapping[str, str], *, lab: str, folder: Path) -> dict[str, str]:
    """Return the caller's environment with what every lab has; its parts add their own."""
    path = os.pathsep.join([str(folder / _COMMANDS), str(Path(sys.executable).parent), base.get("PATH", os.defpath)])
    found = dict(base) | {"PATH": path, MARK: lab, "LAB_FOLDER": str(folder), "PYTHONUNBUFFERED": "1"}
    found["NSTAT_HISTORY"] = str(folder / "nstat.history")  # else nstat leaves a file in /tmp that all labs share
    return found
