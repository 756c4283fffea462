"""Questions that are sent once each, a few at any time, while processes of the server come and go."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from plumbline.deployment.lanes.strict import Strict, Tally
from plumbline.deployment.probes.golden import questions
from plumbline.evidence import Endpoint, UnavailableError

AT_ONCE = 6
WATCH_S = 3.0
ENOUGH = 4
"""Requests that were lost while processes ended: more of them say nothing new."""
PAUSE_S = 0.1
"""Between an answer and the next question of the same caller: at most 60 a second, whatever the server could do."""
PATIENCE_S = 10.0
_TICK_S = 0.02
_GRACE = re.compile(r"--(?:graceful-timeout|timeout-graceful-shutdown)[=\0]([0-9.]+)")
_MASKS = re.compile(r"^Sig(?:Blk|Ign|Cgt):\t([0-9a-f]+)$", re.MULTILINE)


class Family:
    """A process and all that descend from it, watched.

    Args:
        pid: The process.
        proc: Folder that stands for `/proc`.
    """

    def __init__(self, pid: int, proc: Path = Path("/proc")) -> None:
        self.pid = pid
        self.proc = proc
        self.alive: dict[int, bool] = {}
        self.ended: dict[int, bool] = {}
        self.look()

    def look(self) -> None:
        """Note who ended since the last look; each is kept with whether it took SIGTERM for itself."""
        now = dict.fromkeys(self._members())
        for one in [one for one in self.alive if one not in now]:
            self.ended[one] = self.alive.pop(one)
        for one in now:
            with suppress(OSError):  # it has just ended
                self.alive[one] = takes(one, self.proc)

    @property
    def granted_s(self) -> float | None:
        """The grace on its command line, in seconds, as gunicorn, Hypercorn and uvicorn have it."""
        with suppress(OSError, ValueError):
            found = _GRACE.search((self.proc / str(self.pid) / "cmdline").read_text())
            return float(found[1]) if found else None
        return None

    def _members(self) -> Iterator[int]:
        waiting = [self.pid] if (self.proc / str(self.pid)).exists() else []
        while waiting:
            one = waiting.pop()
            yield one
            for path in (self.proc / str(one) / "task").glob("*/children"):
                with suppress(OSError):
                    waiting += map(int, path.read_text().split())


def takes(pid: int, proc: Path) -> bool:
    """Tell whether a process does something of its own at SIGTERM: it catches the signal, or waits for it.

    Raises:
        OSError: It has ended, or this is not Linux.
    """
    blocked, _, caught = (int(one, 16) for one in _MASKS.findall((proc / str(pid) / "status").read_text()))
    return bool((blocked | caught) >> (signal.SIGTERM - 1) & 1)


def watch(endpoint: Endpoint) -> tuple[Tally, Family | None]:
    """Ask for three seconds, or until enough was lost.

    Raises:
        UnavailableError: The address is not `http://`, the questions cannot be read, or nothing is answered.
    """
    body = json.dumps(questions(endpoint.golden or "")[0].body()).encode()
    url = f"{(endpoint.url or '').rstrip('/')}/v2/models/{quote(endpoint.model or '', safe='')}/infer"
    headers = {"connection": "close"} | ({"authorization": f"Bearer {endpoint.token}"} if endpoint.token else {})
    family = Family(endpoint.pid) if endpoint.pid else None
    try:
        strict = Strict(url, body, in_flight=0, fresh=AT_ONCE, headers=headers, timeout_s=PATIENCE_S, pause_s=PAUSE_S)
    except ValueError:
        raise UnavailableError(
            "not_configured", "the target's url is no http:// address; behind TLS, give the server's own"
        ) from None
    ends = time.monotonic() + WATCH_S
    with strict:
        while time.monotonic() < ends and not _told(strict.tally, family):
            time.sleep(_TICK_S)
            if family:
                family.look()
    cut_by_an_end = family and family.ended and strict.tally.failures["closed"]
    if strict.tally.requests == strict.tally.failed and not cut_by_an_end:
        told = strict.tally.examples[:1] or ["no answer"]
        raise UnavailableError("unreachable", f"none of {strict.tally.requests} questions was answered: {told[0]}")
    return strict.tally, family


def _told(tally: Tally, family: Family | None) -> bool:
    """Tell whether further questions would say nothing new: some were answered, and enough lost while some ended."""
    return bool(family and family.ended) and ENOUGH <= tally.failed < tally.requests
