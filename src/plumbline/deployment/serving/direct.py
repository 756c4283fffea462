"""Inference requests that are answered while they are read: no task, no ASGI messages, one write.

Only the plainest request goes this way: POST to the model's infer path by HTTP/1.1, kept alive, a small body, nothing
else under way on its connection. Every other one, and one whose model is not free or not quick, goes the ordinary way
through uvicorn and the application, with all that was read; what was begun here is finished there.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Callable
from typing import Any, ClassVar, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from plumbline.deployment.serving.inferring import Answer, Begun

MOST = 512  # answers while nothing else of the loop runs: some 25 ms
SMALL = 64 << 10  # bytes of a body that is kept here; a larger one is read by the application
BEGUN = "plumbline.begun"
"""Key of the ASGI scope: a request that was read and sent to a version already."""

Headers = list[tuple[bytes, bytes]]
Begin = Callable[[bytes, Headers], Answer | Begun | None]
"""Answers a body, or begins to; None if it is not to be answered this way now."""


class Turn:
    """Counts the answers of one turn of the loop; requests beyond `MOST` are answered in the next one.

    libuv looks for what can be read up to 48 times, 1,024 connections each time, before anything else of the loop runs.
    Of a crowd that asks again as soon as it is answered there is always more to read: the admin socket, health checks
    and timers would wait for seconds. A request that is put off leaves its connection with nothing to read.
    """

    def __init__(self) -> None:
        self._answered = 0

    def over(self, loop: AbstractEventLoop) -> bool:
        """Count a request; say whether it has to wait for the next turn."""
        self._answered += 1
        if self._answered == MOST:
            loop.call_soon(self._anew)
        return self._answered > MOST

    def _anew(self) -> None:
        self._answered = 0


class Direct(HttpToolsProtocol):
    """One connection."""

    turn: ClassVar[Turn]
    """Of all connections of a server together."""
    path: ClassVar[bytes] = b""
    """The infer path; empty if nothing goes this way."""
    begin: ClassVar[Begin]
    _body: bytearray | None = None  # of a request that may be answered here and is not complete
    _put_off = False  # it is complete, and waits for the next turn
    _answered_at = 0.0
    _idle: Any = None
    asked = False
    """Whether a request's head has come."""

    def on_message_begin(self) -> None:
        """Begin a request; what only the application needs is made when it is called."""
        if self._put_off:  # the one before it is answered first
            self._answer()
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_headers_complete(self) -> None:
        """Decide which way the request goes."""
        self.asked = True
        if self.url == self.path and self._plain():
            self._body = bytearray()
        else:
            self._ordinary()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        if self._body is None:
            if self.cycle is not None:  # else the connection closes
                super().on_body(body)
            return
        self._body += body
        if len(self._body) > SMALL:
            self._ordinary()

    def on_message_complete(self) -> None:
        """Answer, if it goes this way."""
        if self._body is None:
            if self.cycle is not None:
                super().on_message_complete()
        elif self.turn.over(self.loop):
            self._put_off = True
            self.loop.call_soon(self._answer)
        else:
            self._answer()

    def _answer(self) -> None:
        self._put_off = False
        if self._body is None or self.transport.is_closing():  # it was answered before its turn, or the client has gone
            return
        begun = type(self).begin(bytes(self._body), self.headers)
        if isinstance(begun, Answer):
            self._body = None
            self.transport.write(written(begun))
            self.server_state.total_requests += 1
            self._wait_for_more()
        else:
            self._ordinary(begun)
            super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._body = None
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Close, or answer first what has begun to come."""
        if self._put_off:
            self._answer()
        elif self._body is not None:
            self._ordinary()
        super().shutdown()

    def _plain(self) -> bool:
        parser = self.parser
        return (
            parser.get_method() == b"POST"
            and parser.get_http_version() == "1.1"
            and parser.should_keep_alive()
            and not parser.should_upgrade()
            and not self.expect_100_continue
            and not self.flow.write_paused
            and (self.cycle is None or self.cycle.response_complete)
        )

    def _ordinary(self, begun: Begun | None = None) -> None:
        """Let uvicorn have the request, as far as it has come."""
        url, headers, expect, body = self.url, self.headers, self.expect_100_continue, self._body
        self._body = None
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expect
        self.headers += headers  # the list that the scope has
        if begun is not None:
            cast(dict[str, Any], self.scope)[BEGUN] = begun
        super().on_headers_complete()
        if body:
            super().on_body(bytes(body))

    def _wait_for_more(self) -> None:
        """Close the connection when nothing comes for uvicorn's keep-alive time; one timer for many requests."""
        self._answered_at = self.loop.time()
        if self._idle is None:
            self._idle = self.loop.call_later(self.timeout_keep_alive, self._look)

    def _look(self) -> None:
        self._idle = None
        if self.timeout_keep_alive_task is not None or self.transport.is_closing():
            return  # the last answer was uvicorn's, and so is the time
        left = self._answered_at + self.timeout_keep_alive - self.loop.time()
        if self._body is not None or (self.cycle is not None and not self.cycle.response_complete):
            left = self.timeout_keep_alive
        if left > 0:
            self._idle = self.loop.call_later(left, self._look)
        else:
            self.transport.close()


def written(answer: Answer) -> bytes:
    """Return the whole response to a request that is kept alive, as uvicorn would have written it."""
    body = answer.body
    if answer.status == 200 and not answer.headers:
        return b"%bcontent-length: %d\r\nx-model-version: %b\r\n\r\n%b" % (_FOUND, len(body), answer.version, body)
    lines = [STATUS_LINE[answer.status], b"content-type: application/json\r\ncontent-length: %d\r\n" % len(body)]
    lines += [b"%b: %b\r\n" % header for header in answer.headers]
    if answer.version:
        lines.append(b"x-model-version: %b\r\n" % answer.version)
    return b"%b\r\n%b" % (b"".join(lines), body)


_FOUND = STATUS_LINE[200] + b"content-type: application/json\r\n"
