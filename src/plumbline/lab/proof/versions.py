"""What a proof was made with: name → version, as the record and the card show it."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version

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
    return found


def _haproxy() -> str | None:
    try:
        told = subprocess.run(["haproxy", "-v"], capture_output=True, text=True, check=True, timeout=10).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    words = told.split()
    return words[words.index("version") + 1] if "version" in words[:-1] else None
