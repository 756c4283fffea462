"""Who runs a deployment, and whether that process still lives: a dead one need not be waited for."""

from __future__ import annotations

import os
import socket
from typing import Any

import psutil

from plumbline.deployment.pipeline.journal import Entry

RUN = "run"
"""Name of the note with which a process says that it runs a deployment."""


def here() -> dict[str, Any]:
    """Return what tells this process from all others."""
    return {"host": socket.gethostname(), "pid": os.getpid(), "started": psutil.Process().create_time()}


def holder(deployment: str) -> str:
    """Return the name under which this machine holds leases for a deployment: whoever goes on here gets it at once."""
    return f"{deployment}@{socket.gethostname()}"


def running(entries: list[Entry]) -> str | None:
    """Return which other process of this machine runs the deployment, in words; None if none is known to live.

    A process on another machine cannot be asked: its lease says how long it has to be waited for.
    """
    last = next((one.data for one in reversed(entries) if one.kind == "note" and one.step == RUN), None)
    if last is None or last["host"] != socket.gethostname() or last["pid"] == os.getpid():
        return None
    try:
        process = psutil.Process(last["pid"])
        lives = process.create_time() == last["started"] and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return None
    return f"process {last['pid']} on {last['host']}" if lives else None
