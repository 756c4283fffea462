"""A person's shell in the lab: its environment, its folder, its network namespace."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from plumbline.lab.lab import RunningLab


def interactive(lab: RunningLab) -> int:
    """Run the person's shell until they leave it, and return its exit code.

    It carries the lab's mark, so that the keeper ends it if this process is killed.
    """
    name = os.environ.get("SHELL") or shutil.which("bash") or "sh"
    env = dict(lab.environment) | {"PS1": "(lab) \\w $ "}
    return subprocess.run([*inside(lab), name], cwd=lab.folder, env=env, check=False).returncode


def inside(lab: RunningLab) -> list[str]:
    """Return the words that put a command into the lab's network namespace, if it has one."""
    if not lab.topology.netns or sys.platform != "linux":
        return []
    user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
    return ["nsenter", "--target", str(lab.link.pid), *user, "--net", "--"]
