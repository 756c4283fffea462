"""From an accepted socket to a request that is answered: who gets how long, and how many may try at once."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import sys
from typing import Protocol

from plumbline.streaming.core.admission import Admission
from plumbline.streaming.core.counters import Counters
from plumbline.streaming.core.request import RefusedError, Request, answer
from plumbline.streaming.core.settings import Settings
from plumbline.streaming.server import log
from plumbline.streaming.server.greeting import Greeting
from plumbline.streaming.server.link import Link
from plumbline.streaming.server.telemetry import Telemetry
from plumbline.streaming.server.tls import Handshakes, TlsLink
from plumbline.streaming.server.writing import Writing


class Owner(Protocol):
    """What the door needs of the gateway."""

    settings: Settings
    counters: Counters
    telemetry: Telemetry | None

    def now(self) -> float:
        """Return the clock in seconds."""

    def asked(self, greeting: Greeting, request: Request, tail: bytes) -> None:
        """Answer a request, or refuse it; `tail` came behind it.

        Raises:
            RefusedError: It is answered with an error.
        """


class Door:
    """Lets sockets in until they have asked.

    Args:
        owner: The gateway.
        tls: What TLS is made with; None for plain sockets.
    """

    def __init__(self, owner: Owner, tls: ssl.SSLContext | None = None) -> None:
        self.owner = owner
        self.tls = tls
        self.handshakes = Handshakes()
        self.admission = Admission()
        self.waiting: dict[int, Greeting] = {}  # by number: neither let in nor gone, longest first
        self.settled = asyncio.Event()  # nobody waits
        self._loop = asyncio.get_running_loop()

    @property
    def unanswered(self) -> int:
        """How many had their turn, and have not completed a request."""
        return sum(not greeting.answered for greeting in self.waiting.values())

    def take(self, accepted: socket.socket, peer: object) -> None:
        """Begin the handshake of a socket that was just accepted."""
        owner = self.owner
        owner.counters.accepted += 1
        host, port = peer[:2] if isinstance(peer, tuple) else ("?", 0)
        reason = self._unwanted(host)
        if reason is not None:
            owner.counters.rejected[reason] += 1
            log.event(logging.WARNING, "connection rejected", reason=reason, peer=f"{host}:{port}")
            accepted.close()
            return
        greeting = Greeting(self, owner.counters.accepted, sys.intern(host), port, owner.now())
        self.waiting[greeting.number] = greeting
        self.settled.clear()
        self.admission.knock(host)
        if self.tls is None:
            greeting.link = Link(self._loop, accepted, greeting)
        else:
            greeting.link = TlsLink(self._loop, accepted, greeting, self.tls, self.handshakes)
        greeting.link.look()

    def check(self, now: float) -> None:
        """Drop those who did not complete a request in time, or do not take its answer."""
        limit = self.owner.settings.handshake_timeout_s
        late = []
        for greeting in self.waiting.values():
            if now - greeting.since < limit:
                break
            late.append(greeting)
        for greeting in late:
            self._drop(greeting)

    def close(self) -> None:
        """Drop everybody whose request is not answered; whoever has not read its answer yet still can."""
        for greeting in list(self.waiting.values()):
            if greeting.answered:
                greeting.link.close()
            else:
                greeting.link.abort()

    def enter(self, greeting: Greeting, made: Writing, head: bytes) -> None:
        """Hand the socket over to the connection that was made for it."""
        self.left(greeting)
        self.admission.enter(made.host)
        greeting.answered = True
        greeting.link.peer = made
        made.begin(head)

    def gone(self, connection: Writing) -> None:
        """Note that a connection that was let in is gone."""
        self.admission.leave(connection.host)

    def say(self, greeting: Greeting, data: bytes) -> None:
        """Send an answer, and close when the client has read it."""
        greeting.answered = True
        greeting.link.send(data)
        greeting.link.finish()

    # What a greeting calls.

    def body_limit(self) -> int:
        """Return how many bytes a request's body may have."""
        return self.owner.settings.max_message_bytes

    def asked(self, greeting: Greeting, request: Request, tail: bytes) -> None:
        """Answer a request."""
        try:
            self.owner.asked(greeting, request, tail)
        except RefusedError as refused:
            self.refuse(greeting, refused)
        except Exception:
            logging.getLogger(log.NAME).exception("internal error: request of %s", greeting.peer)
            self.refuse(greeting, RefusedError(500, "the gateway met an error of its own"))

    def refuse(self, greeting: Greeting, refused: RefusedError) -> None:
        """Answer that it cannot be."""
        if refused.reason is not None:
            self.owner.counters.rejected[refused.reason] += 1
            log.event(logging.WARNING, "connection rejected", reason=refused.reason, peer=greeting.peer)
            if self.owner.telemetry is not None:
                self.owner.telemetry.handshake(self.owner.now() - greeting.since, greeting.transport, refused.reason)
        body = refused.sentence.rstrip().encode() + b"\n"
        self.say(greeting, answer(refused.status, "text/plain; charset=utf-8", body, refused.headers))

    def left(self, greeting: Greeting) -> None:
        """Forget a socket that is closed, or that is a connection now."""
        if self.waiting.pop(greeting.number, None) is not None:
            self.admission.answered(greeting.host)
            if not self.waiting:
                self.settled.set()

    # How it is done.

    def _unwanted(self, host: str) -> str | None:
        """Return why this socket is closed at once, before it costs a handshake; make room for it otherwise."""
        settings = self.owner.settings
        if self.admission.too_many_knocks(settings, host):
            return "max-handshakes-per-address"
        if self.tls is not None and self.admission.over_rate(settings, self.owner.now()):
            return "accept-rate"
        if len(self.waiting) >= settings.max_handshakes:
            self._drop(next(iter(self.waiting.values())))
        return None

    def _drop(self, greeting: Greeting) -> None:
        """Let go of a socket that had its time, with an answer if it had begun to ask."""
        self.left(greeting)
        link = greeting.link
        if not link.open:
            return
        if not greeting.answered:
            self.owner.counters.handshake_timeouts += 1
            log.event(logging.INFO, "handshake timeout", connection=f"c{greeting.number}/{greeting.peer}")
            if isinstance(link, TlsLink) and not link.started:
                link.timed_out()
                return
            if greeting.begun:
                self.say(greeting, answer(408, "text/plain", b"the request did not come in time\n"))
            link.close()
            return
        link.abort()
