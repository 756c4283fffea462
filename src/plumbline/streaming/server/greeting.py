"""The first thing that a new socket talks to: it reads one HTTP request, of bounded size and in bounded time."""

from __future__ import annotations

from typing import Any, Protocol

import httptools

from plumbline.streaming.core.request import RefusedError, Request
from plumbline.streaming.server.link import Link

HEAD_BYTES = 16384  # request line and headers, a token and the positions of many channels among them
HEADERS = 100
START_BYTES = 16  # longer than every method's name
VERSIONS = ("1.0", "1.1")  # health checks of load balancers speak 1.0


class Owner(Protocol):
    """What a greeting needs of the door."""

    def body_limit(self) -> int:
        """Return how many bytes a request's body may have."""

    def asked(self, greeting: Greeting, request: Request, tail: bytes) -> None:
        """A whole request came; `tail` came behind it."""

    def refuse(self, greeting: Greeting, refused: RefusedError) -> None:
        """The request cannot be read."""

    def left(self, greeting: Greeting) -> None:
        """The socket is closed."""


class Greeting:
    """One accepted socket until its request is answered.

    Args:
        owner: The door.
        number: Counts accepted connections.
        host: The client's IP address.
        port: Its port.
        since: Clock time of the accept, in seconds.
    """

    __slots__ = (
        "_body",
        "_fields",
        "_method",
        "_parser",
        "_read",
        "_start",
        "_target",
        "_version",
        "_whole",
        "answered",
        "begun",
        "host",
        "link",
        "number",
        "owner",
        "port",
        "since",
        "transport",
    )
    link: Link

    def __init__(self, owner: Owner, number: int, host: str, port: int, since: float) -> None:
        self.owner = owner
        self.number = number
        self.host = host
        self.port = port
        self.since = since
        self.answered = False  # nothing more of it is read
        self._parser: Any = None  # from the first byte on: a socket that says nothing costs no parser
        self._target = b""
        self._fields: list[tuple[bytes, bytes]] = []
        self._body = b""
        self._start = b""
        self._read = 0
        self._whole = False
        self._method, self._version = b"", ""
        self.begun = False  # a byte of the request came
        self.transport = "none"  # what the request asks for, once it is read

    @property
    def peer(self) -> str:
        """The client's address."""
        return f"{self.host}:{self.port}"

    # What the link calls.

    def received(self, data: bytes) -> None:
        """Take a piece of the request. What comes after its answer is read and forgotten: requests do not queue."""
        if self.answered:
            return
        self.begun = True
        try:
            self._feed(data)
        except RefusedError as refused:
            self._done()
            self.owner.refuse(self, refused)

    def ended(self) -> None:
        """Close when the answer is out."""
        self.link.close()

    def writable(self) -> None:
        """Send no more: the answer is out."""
        self.link.finish()

    def lost(self) -> None:
        """Tell the door."""
        self._done()
        self.owner.left(self)

    # What the parser calls; of a second request, which some send without waiting, nothing is taken.

    def on_url(self, piece: bytes) -> None:
        """Take a piece of the address."""
        if not self._whole:
            self._target += piece

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one header."""
        if self._whole:
            return
        self._fields.append((name, value))
        if len(self._fields) > HEADERS:
            raise RefusedError(431, f"a request may have {HEADERS} headers", "bad-request")

    def on_body(self, piece: bytes) -> None:
        """Take a piece of the body."""
        if self._whole:
            return
        limit = self.owner.body_limit()
        if len(self._body) + len(piece) > limit:
            raise RefusedError(413, f"a request's body may have {limit} bytes", "bad-request")
        self._body += piece

    def on_message_complete(self) -> None:
        """Note that the request is whole, and its method: a second one behind it would change what the parser says."""
        if not self._whole:
            self._whole = True
            self._method, self._version = self._parser.get_method(), self._parser.get_http_version()

    # How it is done.

    def _feed(self, data: bytes) -> None:
        if self._parser is None:
            self._parser = httptools.HttpRequestParser(self)
        if len(self._start) < START_BYTES:
            self._start += data[:START_BYTES]
        tail = self._parse(data)
        self._read += len(data) - len(tail)
        if self._read - len(self._body) > HEAD_BYTES:
            raise RefusedError(431, f"a request's head may have {HEAD_BYTES} bytes", "bad-request")
        if self._whole:
            request = self._request()
            self._done()
            self.owner.asked(self, request, tail)

    def _parse(self, data: bytes) -> bytes:
        """Give the parser a piece, and return what belongs to the protocol that the client wants to upgrade to."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            return data[upgrade.args[0] :]
        except httptools.HttpParserCallbackError as error:
            if isinstance(error.__context__, RefusedError):
                raise error.__context__ from None
            raise
        except httptools.HttpParserError as error:
            if not self._whole:
                raise RefusedError(400, f"this is no HTTP/1.1 request: {error}", "bad-request") from None
        return b""

    def _request(self) -> Request:
        path, _, query = self._target.decode("latin-1").partition("?")
        headers: dict[str, str] = {}
        for name, value in self._fields:
            key, text = name.decode("latin-1").lower(), value.decode("latin-1").strip()
            if key == "host" and key in headers:
                raise RefusedError(400, "a request has one header Host", "bad-request")
            headers[key] = f"{headers[key]}, {text}" if key in headers else text
        self.transport = "websocket" if "upgrade" in headers else "http"
        method, version = self._method, self._version
        if self._start.startswith(method + b"  "):  # the parser takes it; RFC 9112, 3 does not
            raise RefusedError(400, "there is one space in front of the address", "bad-request")
        if version not in VERSIONS or ("host" not in headers and version == "1.1"):
            raise RefusedError(400, "a request is of HTTP/1.1, with a header Host", "bad-request")
        return Request(method.decode("latin-1"), path, query, headers, self._body, version)

    def _done(self) -> None:
        """Free what reading took."""
        self.answered = True
        self._parser = None
        self._target = self._body = self._start = b""
        self._fields = []
