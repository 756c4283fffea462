"""A client that never sends anything twice, and counts what a client that does would hide: failed and stale answers.

Most clients send a request again on a connection that was closed under them, so their users' tests of a switch pass
while requests are lost. Inference is `POST`: nobody may repeat it for the caller.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from hdrh.histogram import HdrHistogram

VERSION_HEADER = "x-model-version"
_LONGEST_US = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one request.

    Args:
        status: Of HTTP.
        headers: By lower-case name.
        body: As it came.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def version(self) -> str:
        """Who answered, as the server says; empty if it does not."""
        return self.headers.get(VERSION_HEADER, "")


@dataclass(slots=True)
class Tally:
    """What a strict client saw.

    Args:
        requests: Sent, each exactly once.
        failures: By what went wrong: `connect`, `closed`, `time-out`, `status 503`, or what `wrong` said.
        stale: Answers by a version that had been retired before the request was sent.
        versions: Good answers by version.
        examples: The first few failures in words.
    """

    requests: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    stale: int = 0
    versions: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    _latencies: Any = field(default_factory=lambda: HdrHistogram(1, _LONGEST_US, 3))

    @property
    def failed(self) -> int:
        """Requests without a good answer."""
        return self.failures.total()

    def latency_s(self, percentile: float) -> float:
        """Return the time in seconds that this share (0 to 100) of the answers did not exceed; 0 for none."""
        return float(self._latencies.get_value_at_percentile(percentile)) / 1e6 if self.requests > self.failed else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return counts and percentiles in seconds as JSON values."""
        named = {f"p{p:g}_s": self.latency_s(p) for p in (50.0, 90.0, 99.0, 99.9)} | {"max_s": self.latency_s(100.0)}
        counts = {"requests": self.requests, "failed": self.failed, "stale": self.stale}
        return counts | {"failures": dict(self.failures), "versions": dict(self.versions), "latency": named}

    def _note(self, took_s: float) -> None:
        self._latencies.record_value(min(max(int(took_s * 1e6), 1), _LONGEST_US))


class Strict:
    """So many requests in flight at any time, over as many connections; use it as a context manager beside a switch.

    Args:
        url: Where to send to: `http://host:port/v2/models/churn/infer`.
        body: What to send; with `GET` if it is empty.
        in_flight: Requests at one time over connections that are kept.
        fresh: Requests at one time that open a connection each.
        wrong: Says what is wrong with an answer of status 200; None if nothing is.
        headers: Sent with each request.
        timeout_s: Until an answer is complete, in seconds.
        pause_s: Between an answer and the next request of the same caller, in seconds.
    """

    def __init__(
        self,
        url: str,
        body: bytes = b"",
        *,
        in_flight: int = 16,
        fresh: int = 0,
        wrong: Callable[[Answer], str | None] = lambda _answer: None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 30.0,
        pause_s: float = 0.0,
    ) -> None:
        where = urlsplit(url)
        if where.scheme != "http" or not where.hostname:
            raise ValueError(f"'{url}' is no http:// address")
        self._host, self._port = where.hostname, where.port or 80
        self._request = _request(where.netloc, where.path or "/", body, headers or {})
        self._workers = [False] * in_flight + [True] * fresh
        self._wrong = wrong
        self._timeout_s = timeout_s
        self._pause_s = pause_s
        self._expected: list[frozenset[str]] = []
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._moved = threading.Condition()
        self.tally = Tally()

    def expect(self, versions: Iterable[str]) -> None:
        """Say who may answer requests that are sent from now on: old and new before a switch, new after it."""
        self._expected.append(frozenset(versions))

    def wait(self, more: int, patience_s: float = 60.0) -> None:
        """Wait until so many further requests have ended.

        Raises:
            TimeoutError: They did not in time.
        """
        goal = self.tally.requests + more
        with self._moved:
            if not self._moved.wait_for(lambda: self.tally.requests >= goal, patience_s):
                raise TimeoutError(f"{self.tally.requests} of {goal} requests ended within {patience_s:g} s")

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=lambda: asyncio.run(self.run()), daemon=True, name="strict-client")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if self._thread is not None:
            self._thread.join()

    def stop(self) -> None:
        """Send nothing more; requests in flight are still waited for."""
        self._stop.set()

    async def run(self) -> Tally:
        """Send until `stop`, and return what was seen."""
        await asyncio.gather(*(self._work(fresh) for fresh in self._workers))
        return self.tally

    async def _work(self, fresh: bool) -> None:
        link: _Link | None = None
        while not self._stop.is_set():
            sent_at, known = time.perf_counter(), len(self._expected) - 1
            failure, answer = None, None
            try:
                async with asyncio.timeout(self._timeout_s):
                    if link is None:
                        link = await _connected(self._host, self._port)
                    answer = await link.exchange(self._request)
            except TimeoutError:
                failure = "time-out"
            except _RefusedError as error:
                failure = f"connect: {error}"
            except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
                failure = f"closed: {error or type(error).__name__}"
            self._judge(answer, failure, known, time.perf_counter() - sent_at)
            if link is not None and (
                answer is None or fresh or answer.headers.get("connection", "").lower() == "close"
            ):
                await link.close()
                link = None
            if answer is None or self._pause_s:
                # A refused connection costs nothing: without a pause, one core goes to asking.
                await asyncio.sleep(self._pause_s or 0.001)
        if link is not None:
            await link.close()

    def _judge(self, answer: Answer | None, failure: str | None, known: int, took_s: float) -> None:
        if answer is not None:
            failure = f"status {answer.status}" if answer.status != 200 else self._wrong(answer)
        with self._moved:
            tally = self.tally
            tally.requests += 1
            if failure is not None or answer is None:
                failure = failure or "no answer"
                tally.failures[failure.split(":")[0]] += 1
                if len(tally.examples) < 10:
                    tally.examples.append(f"{failure} {answer.body[:200]!r}" if answer else failure)
            else:
                tally._note(took_s)  # noqa: SLF001 - its own module
                tally.versions[answer.version] += 1
                allowed = self._expected[known:] if known >= 0 else []
                tally.stale += bool(allowed) and not any(answer.version in versions for versions in allowed)
            self._moved.notify_all()


class _RefusedError(Exception):
    """No connection was made."""


class _Link:
    """One connection, one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def exchange(self, request: bytes) -> Answer:
        """Send and read one answer."""
        self._writer.write(request)
        await self._writer.drain()
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in head[1:] if line)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        return Answer(int(head[0].removeprefix("HTTP/1.")[2:5]), headers, await self._body(headers))

    async def _body(self, headers: Mapping[str, str]) -> bytes:
        if "content-length" in headers:
            return await self._reader.readexactly(int(headers["content-length"]))
        if headers.get("transfer-encoding", "").lower() != "chunked":
            return await self._reader.read()
        pieces = []
        while size := int((await self._reader.readuntil(b"\r\n")).split(b";")[0], 16):
            pieces.append((await self._reader.readexactly(size + 2))[:-2])
        while await self._reader.readuntil(b"\r\n") != b"\r\n":
            pass  # trailers
        return b"".join(pieces)

    async def close(self) -> None:
        """Let go of the connection."""
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()


async def _connected(host: str, port: int) -> _Link:
    try:
        return _Link(*await asyncio.open_connection(host, port))
    except OSError as error:
        raise _RefusedError(error.strerror or str(error)) from error


def _request(host: str, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    lines = [f"{'POST' if body else 'GET'} {path} HTTP/1.1", f"host: {host}"]
    if body:
        lines += ["content-type: application/json", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body
