"""Ask the workload what it measured: one JSON line there, one back, on its Unix socket."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

from plumbline.lab.errors import LabError
from plumbline.lab.population import Census
from plumbline.lab.service import Service

_PATIENCE_S = 30.0


def answers(path: Path) -> bool:
    """Tell whether somebody answers there: a socket is a file before anybody listens on it."""
    if not path.is_socket():
        return False
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


def census(path: Path, window_s: float, since: float) -> Census:
    """Return what a population saw in the last `window_s` seconds, leaving out what began before `since`.

    Raises:
        LabError: It does not answer.
    """
    return Census(**_asked(path, "the population", window_s, since))


def measure(path: Path, window_s: float, since: float) -> Service:
    """Return the service level of the last `window_s` seconds, leaving out what began before `since`.

    Args:
        path: The workload's socket.
        window_s: Length of the window, in seconds.
        since: A moment of the monotonic clock, which all processes of a machine share, in seconds.

    Raises:
        LabError: The workload does not answer.
    """
    fields = _asked(path, "the workload", window_s, since)
    fields["close_codes"] = tuple((code, count) for code, count in fields["close_codes"])
    fields["errors"] = tuple(fields["errors"])
    return Service(**fields)


def _asked(path: Path, who: str, window_s: float, since: float) -> dict[str, Any]:
    question = json.dumps({"window_s": window_s, "since": since}) + "\n"
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(_PATIENCE_S)
            client.connect(str(path))
            client.sendall(question.encode())
            with client.makefile() as answer:
                fields: dict[str, Any] = json.loads(answer.readline())
    except (OSError, ValueError) as error:
        raise LabError(f"{who} does not answer: {error}") from None
    return fields
