"""What a proof was made with: name → version, as the record and the card show it."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version

from plumbline.lab.parts import Nats
from plumbline.lab.parts.nats import program
from plumbline.lab.proof.subject import Subject

_PACKAGES = ("plumbline", "websockets", "httptools", "uvloop")


def versions(subject: Subject) -> dict[str, str]:
    """Return the versions of what takes part: kernel, Python, our packages, HAProxy where the topology has it."""
    found = {platform.system(): platform.release(), "Python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    if subject.fault.topology.haproxy is not None and (text := _haproxy()):
        found["HAProxy"] = text
    if any(isinstance(part, Nats) for part in subject.fault.topology.parts) and (text := _nats()):
        found["nats-server"] = text
    return found


def _nats() -> str | None:
    try:
        told = subprocess.run(
            [program() or "nats-server", "-v"], capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return told.stdout.rpartition("v")[2].strip() or None  # nats-server: v2.15.1


def _haproxy() -> str | None:
    try:
        told = subprocess.run(["haproxy", "-v"], capture_output=True, text=True, check=True, timeout=10).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    words = told.split()
    return words[words.index("version") + 1] if "version" in words[:-1] else None
