"""Asking name servers directly, each for itself: who answers, how soon, and who is silent. A few small UDP packets."""

from __future__ import annotations

import selectors
import socket
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import dns.exception
import dns.message
import dns.rcode

QUESTIONS = 3
"""Per server: one lost packet is an accident."""
_APART_S = 0.05
_MOST_BYTES = 4096


@dataclass(slots=True)
class Asked:
    """What came of the questions to one server.

    Args:
        address: Its address.
        times_s: How long each answer took, in seconds.
        refused: It cannot be reached at all, and the machine knows it at once (nobody listens, no route).
        rcode: What the last answer said: NOERROR, NXDOMAIN, SERVFAIL, REFUSED …
    """

    address: str
    times_s: list[float] = field(default_factory=list)
    refused: bool = False
    rcode: str = ""

    @property
    def median_s(self) -> float | None:
        """The median of the answers' times; None without one."""
        return statistics.median(self.times_s) if self.times_s else None


def ask(servers: Sequence[str], name: str, kind: str, patience_s: float, port: int = 53) -> list[Asked]:
    """Ask all servers at once, `QUESTIONS` times each, and wait for answers at most `patience_s`.

    Args:
        servers: Their addresses.
        name: What is asked for, complete.
        kind: Type of record: `A`, `NS` …
        patience_s: How long an answer may take.
        port: Where they listen.
    """
    asked = [Asked(address) for address in servers]
    with selectors.DefaultSelector() as waiting:
        try:
            for number in range(QUESTIONS):
                if number:
                    _take(waiting, time.monotonic() + _APART_S)
                for one in asked:
                    _send(waiting, one, dns.message.make_query(name, kind), port)
            _take(waiting, time.monotonic() + patience_s)
        finally:
            for key in list(waiting.get_map().values()):
                waiting.unregister(key.fileobj)
                key.data[1].close()
    return asked


def exists(server: str, name: str, patience_s: float, port: int = 53) -> bool | None:
    """Ask one server whether a name has an address (A, else AAAA); None if it does not answer."""
    for kind in ("A", "AAAA"):
        question = dns.message.make_query(name, kind)
        try:
            with socket.socket(_family(server), socket.SOCK_DGRAM) as channel:
                channel.settimeout(patience_s)
                channel.connect((server, port))
                channel.send(question.to_wire())
                answer = dns.message.from_wire(channel.recv(_MOST_BYTES), ignore_trailing=True)
        except (OSError, dns.exception.DNSException):
            return None
        if answer.answer:
            return True
    return False


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _send(waiting: selectors.BaseSelector, one: Asked, question: dns.message.QueryMessage, port: int) -> None:
    try:
        channel = socket.socket(_family(one.address), socket.SOCK_DGRAM)
    except OSError:  # no IPv6 here
        one.refused = True
        return
    try:
        channel.setblocking(False)
        channel.connect((one.address, port))
        channel.send(question.to_wire())
    except OSError:  # no route, or refused before
        one.refused = True
        channel.close()
        return
    waiting.register(channel, selectors.EVENT_READ, (one, channel, question.id, time.monotonic()))


def _take(waiting: selectors.BaseSelector, deadline: float) -> None:
    """Take answers until all are there, or the deadline."""
    while waiting.get_map() and (left_s := deadline - time.monotonic()) > 0:
        for key, _ in waiting.select(left_s):
            one, channel, number, sent = key.data
            try:
                answer = dns.message.from_wire(channel.recv(_MOST_BYTES), ignore_trailing=True)
            except OSError:  # nobody listens there: the kernel was told by ICMP
                one.refused = True
            except dns.exception.DNSException:  # not for us to understand, but it is an answer
                one.times_s.append(time.monotonic() - sent)
            else:
                if answer.id != number:
                    continue
                one.times_s.append(time.monotonic() - sent)
                one.rcode = dns.rcode.to_text(answer.rcode())
            waiting.unregister(channel)
            channel.close()
