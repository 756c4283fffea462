"""Who runs a deployment, and whether that process still lives: a dead one need not be waited for."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping
from typing import Any

import psutil

from plumbline.deployment.core.errors import DeploymentError
from plumbline.deployment.pipeline.journal import Entry, Journal

RUN = "run"
"""Name of the note with which a process says that it runs a deployment, or that it has left it."""


def here() -> dict[str, Any]:
    """Return what tells this process from all others."""
    return {"host": socket.gethostname(), "pid": os.getpid(), "started": psutil.Process().create_time()}


def leave(journal: Journal, deployment: str) -> None:
    """Say that this process is not at work any more, although it lives on: a person has to answer, or it has failed."""
    with contextlib.suppress(DeploymentError):  # its end will say so, too
        journal.append(deployment, RUN, "note", {**here(), "left": True})


def holder(deployment: str) -> str:
    """Return the name under which this machine holds leases for a deployment: whoever goes on here gets it at once."""
    return f"{deployment}@{socket.gethostname()}"


def running(entries: list[Entry]) -> str | None:
    """Return which other process of this machine runs the deployment, in words; None if none is known to live.

    A process on another machine cannot be asked: its lease says how long it has to be waited for.
    """
    last: Mapping[str, Any] | None = None
    for one in entries:
        if one.kind == "note" and one.step == RUN:
            said = {**one.data, "left": False}
            last = said if not one.data.get("left") else None if said == last else last
    if last is None or last["host"] != socket.gethostname() or last["pid"] == os.getpid():
        return None
    try:
        process = psutil.Process(last["pid"])
        lives = process.create_time() == last["started"] and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return None
    return f"process {last['pid']} on {last['host']}" if lives else None
