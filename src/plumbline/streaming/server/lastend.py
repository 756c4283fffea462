"""How the process before this one ended, in a file beside the admin socket: who is killed cannot say so afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from plumbline.streaming.probes.ends import SUFFIX, note, with_age
from plumbline.streaming.server import log

NOTED_EVERY_S = 0.1


class LastEnd:
    """Notes how far this process got with its end, and knows what the one before had noted.

    A note is one of: `running` (it was not told to stop, or was killed before it could say so), `draining` (it was
    killed while it let clients go), `drained`, `stopped` (at once).

    Args:
        admin: Path of the admin socket; None: nothing is noted.
        clock: Wall clock, in seconds.
    """

    def __init__(self, admin: str | None, clock: Callable[[], float] = time.time) -> None:
        self._path = None if admin is None else Path(admin + SUFFIX)
        self._clock = clock
        self.previous: dict[str, Any] | None = None
        self.over = True  # until it begins, there is nothing to note

    def begin(self) -> None:
        """Read what the process before noted, and note that this one runs."""
        self.previous = None if self._path is None else note(self._path)
        self.over = False
        self._note("running")
        if self.previous is not None and self.previous["how"] == "draining":
            told = {key: self.previous[key] for key in ("connections", "took_s", "within_s")}
            log.event(logging.WARNING, "killed while draining", **told)

    async def follow(self, connections: Callable[[], int], within_s: float) -> None:
        """Note how many clients are still here while they are let go; runs until it is cancelled."""
        began = self._clock()
        while True:
            self._note("draining", connections=connections(), within_s=within_s, took_s=round(self._clock() - began, 2))
            await asyncio.sleep(NOTED_EVERY_S)

    def drained(self, *, connections: int, within_s: float, left: int, cut: int, lost: int, took_s: float) -> None:
        """Note that all clients are gone.

        Args:
            connections: Clients that were here.
            within_s: The time that they had, in seconds; 0: none.
            left: Those that went by themselves.
            cut: Those that were closed when their window was over.
            lost: Messages that waited for them.
            took_s: How long it took, in seconds.
        """
        numbers = {"connections": connections, "left": left, "cut": cut, "lost": lost, "took_s": took_s}
        self._note("drained", within_s=within_s, **numbers)
        self.over = True

    def stopped(self, *, connections: int, lost: int) -> None:
        """Note that clients were closed at once."""
        if not self.over:
            self._note("stopped", connections=connections, cut=connections, lost=lost, within_s=0.0, took_s=0.0)
            self.over = True

    def view(self) -> dict[str, Any]:
        """Return how the process before ended and how long ago that was noted; nothing if nobody knows."""
        if self.previous is None:
            return {"previous": []}
        return {"previous": [with_age(self.previous, self._clock())]}

    def _note(self, how: str, **numbers: float) -> None:
        if self._path is None:
            return
        text = json.dumps({"how": how, "at": self._clock(), "pid": os.getpid(), **numbers})
        replacement = self._path.with_name(self._path.name + ".new")
        with contextlib.suppress(OSError):  # a full disk must not keep anybody from leaving
            replacement.write_text(text, encoding="utf-8")
            replacement.replace(self._path)
