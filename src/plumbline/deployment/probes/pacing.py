"""Questions to a model at a steady pace, each timed, while the births of the server's processes are watched."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from plumbline.evidence import Endpoint, UnavailableError

Span = tuple[float, float]
"""When a question was sent, and when its answer was there."""
AT_ONCE, ROUNDS, EVERY_S = 4, 12, 0.2
"""So many ask beside each other, each so often, and one after the other: who begins cold lets several wait."""
LONGEST_S = 8.0
TICK_S = 0.005


@dataclass(frozen=True, slots=True)
class Timed:
    """What was seen.

    Args:
        first_s: Time of the very first answer, which was asked for alone; None: there was none.
        times_s: From asking to the whole answer, less what this program itself was late.
        failed: Questions that got no answer below 400.
        born: Processes of the server that began meanwhile; None: no pid is known.
    """

    first_s: float | None
    times_s: tuple[float, ...]
    failed: int
    born: int | None


class Lateness:
    """How late this program is woken: on a machine that is short of processors an answer is late for that reason."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._late: list[tuple[float, float]] = []
        self._thread = threading.Thread(target=self._tick, daemon=True)
        self._thread.start()

    def between(self, began: float, ended: float) -> float:
        """Return the worst lateness of a time, in seconds; moments are those of the monotonic clock."""
        return max((late for moment, late in self._late if began <= moment <= ended + late), default=0.0)

    def end(self) -> None:
        """Stop."""
        self._over.set()
        self._thread.join()

    def _tick(self) -> None:
        due = time.monotonic() + TICK_S
        while not self._over.wait(max(0.0, due - time.monotonic())):
            now = time.monotonic()
            self._late.append((now, now - due))
            due = now + TICK_S


def watch(endpoint: Endpoint) -> Timed:
    """Ask.

    Raises:
        UnavailableError: The address is none of HTTP, the questions cannot be read, or nothing is answered.
    """
    questions = _questions(endpoint)
    before = set(family(endpoint.pid)) if endpoint.pid else set()
    seen = set(before)
    first = _asked(endpoint, questions[0])
    lateness = Lateness()
    with ThreadPoolExecutor(AT_ONCE) as crowd:
        asking = [crowd.submit(_paced, endpoint, questions, ROUNDS) for _ in range(AT_ONCE)]
        waited = True
        while waited:
            waited = bool(wait(asking, timeout=EVERY_S / 4).not_done)
            if endpoint.pid:  # once more after the last answer: it may have come from a process born for it
                seen |= set(family(endpoint.pid))
    lateness.end()
    spans = [span for one in asking for span in one.result()]
    times = [ended - began - lateness.between(began, ended) for began, ended in filter(None, spans)]
    failed = spans.count(None) + (first is None)
    if not times:
        raise UnavailableError("unreachable", f"none of {failed} questions was answered")
    first_s = first[1] - first[0] if first else None
    return Timed(first_s, tuple(max(0.0, one) for one in times), failed, len(seen - before) if endpoint.pid else None)


def _paced(endpoint: Endpoint, questions: list[bytes], rounds: int) -> list[Span | None]:
    """Ask again and again, one after the other, as long as there is time."""
    found: list[Span | None] = []
    ends = time.monotonic() + LONGEST_S
    for number in range(rounds):
        began = time.monotonic()
        found.append(_asked(endpoint, questions[number % len(questions)]))
        if began > ends:
            break
        time.sleep(max(0.0, EVERY_S - (time.monotonic() - began)))
    return found


def family(pid: int) -> Iterator[int]:
    """Yield a process and all that descend from it, on Linux; itself alone elsewhere."""
    waiting = [pid]
    while waiting:
        one = waiting.pop()
        yield one
        for path in Path(f"/proc/{one}/task").glob("*/children"):
            with suppress(OSError):
                waiting += map(int, path.read_text().split())


def _questions(endpoint: Endpoint) -> list[bytes]:
    try:
        told: Any = json.loads(Path(endpoint.golden or "").read_bytes())
        found = [json.dumps(one["body"]).encode() for one in told]
    except (OSError, ValueError, KeyError, TypeError):
        found = []
    if not found:
        raise UnavailableError("malformed", f"{endpoint.golden} holds no list of questions with a body")
    return found


def _asked(endpoint: Endpoint, body: bytes) -> Span | None:
    parts = urlsplit(endpoint.url or "")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UnavailableError("not_configured", "the target's url is no http:// or https:// address")
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    headers = {"Content-Type": "application/json", "Connection": "close"}
    headers |= {"Authorization": f"Bearer {endpoint.token}"} if endpoint.token else {}
    path = f"{parts.path.rstrip('/')}/v2/models/{quote(endpoint.model or '', safe='')}/infer"
    connection, began = kind(parts.hostname, parts.port, timeout=LONGEST_S), time.monotonic()
    try:
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return (began, time.monotonic()) if answer.status < 400 else None
