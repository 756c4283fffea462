"""Runs a program of these tests as processes of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def ran(script: str, *arguments: object) -> str:
    """Return what a script beside this file printed; its processes are killed, so they measure no coverage."""
    command = [sys.executable, str(Path(__file__).parent / script), *map(str, arguments)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout
