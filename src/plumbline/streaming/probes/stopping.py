"""How systemd stops the service of a process: after which time it kills it."""

from __future__ import annotations

import math
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from plumbline.evidence import UnavailableError
from plumbline.streaming.probes.sockets import PROC

_UNIT = re.compile(r"([^/\n]+\.service)(?:/|$)", re.MULTILINE)
_SPAN = re.compile(r"([0-9.]+)(us|ms|s|min|h|d|w|month|y)(?![a-z])")
_SECONDS = {
    "us": 1e-6,
    "ms": 1e-3,
    "s": 1,
    "min": 60,
    "h": 3600,
    "d": 86400,
    "w": 604800,
    "month": 2629800,
    "y": 31557600,
}
_PROPERTIES = "TimeoutStopUSec,KillSignal,KillMode,SendSIGKILL"
_SIGKILL = "9"


def shown(unit: str) -> str:
    """Return what `systemctl show` says of a unit.

    Raises:
        UnavailableError: There is no systemd here, or it does not answer.
    """
    try:
        command = ["systemctl", "show", "--property", _PROPERTIES, "--", unit]
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise UnavailableError("unreachable", f"systemctl does not say how {unit} is stopped: {error}") from None


def grace(pid: int, proc: Path = PROC, show: Callable[[str], str] = shown) -> tuple[str, float]:
    """Return the unit of a process, and the time in seconds after which systemd kills it when it is to stop.

    Raises:
        UnavailableError: It belongs to no systemd service, or systemd does not say.
    """
    try:
        found = _UNIT.findall((proc / str(pid) / "cgroup").read_text())
    except OSError:
        raise UnavailableError(
            "unreachable", f"there is no process {pid} on this machine, or no control groups"
        ) from None
    if not found:
        raise UnavailableError(
            "not_configured", f"process {pid} belongs to no systemd service; who stops it is unknown"
        )
    unit = found[-1]
    return unit, allowed(dict(line.partition("=")[::2] for line in show(unit).splitlines()))


def allowed(properties: Mapping[str, str]) -> float:
    """Return after how many seconds a service with these properties is killed; 0: at once, infinity: never."""
    if properties.get("KillSignal") == _SIGKILL:
        return 0.0
    if properties.get("SendSIGKILL") == "no" or properties.get("KillMode") == "none":
        return math.inf
    return span(properties.get("TimeoutStopUSec", ""))


def span(text: str) -> float:
    """Read a time as systemd prints it: `1min 30s`, `500ms`, `infinity`.

    Raises:
        UnavailableError: That is no time.
    """
    if text == "infinity":
        return math.inf
    parts = _SPAN.findall(text)
    if not parts:
        raise UnavailableError("malformed", f"systemd's TimeoutStopUSec={text!r} is no time")
    return float(sum(float(number) * _SECONDS[unit] for number, unit in parts))
