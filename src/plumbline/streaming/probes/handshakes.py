"""Black-box probe: plain WebSocket handshakes, one after the other. Works against any WebSocket server.

A full accept queue looks like a lost packet: the kernel drops the SYN (or the last packet of the TCP handshake), and
the client sends again after a second. A connection that hangs does not keep the next from being begun.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import sys
import time
from typing import Any
from urllib.parse import urlsplit

from plumbline.evidence import Endpoint, UnavailableError
from plumbline.streaming.evidence_handshakes import Attempt, Handshakes
from plumbline.streaming.probes.idle import websocket_url
from plumbline.streaming.probes.opening import options

ATTEMPTS = 20
PERIOD_S = 0.05
IN_FLIGHT = 3  # begun, and not yet answered: so one that hangs is not all that is seen
LONGEST_S = 5.0
LEAST_S = 1.1  # what an attempt is given, if patience lasts: a first packet is repeated after 1 s
ENOUGH_REFUSALS = 3  # who says no to all of these is asked no more
CLOSE_S = 0.2
_TOTAL_RETRANS = 100  # offset of tcpi_total_retrans in struct tcp_info (linux/tcp.h)
_TCP_INFO_BYTES = _TOTAL_RETRANS + 4
_RETRY_AFTER = re.compile(r"\d{1,9}|[A-Za-z0-9,: ]{1,40}")  # seconds, or a date of HTTP

Address = tuple[int, Any]
"""Family, and what `connect` takes."""


def measure(endpoint: Endpoint) -> Handshakes:
    """Open up to `ATTEMPTS` connections within `endpoint.patience_s`, at most `LONGEST_S`, each closed with code 1000.

    Raises:
        UnavailableError: No URL, no usable one, or no such host.
    """
    if not endpoint.url:
        raise UnavailableError("not_configured", "the target names no url; give one: --target ws://host:port/")
    url = websocket_url(endpoint.url)
    return asyncio.run(_measure(url, endpoint, _addresses(url)))


def _addresses(url: str) -> list[Address]:
    from websockets.exceptions import InvalidURI
    from websockets.uri import parse_uri

    try:
        parse_uri(url)
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "wss" else 80)
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except (InvalidURI, ValueError) as error:
        raise UnavailableError("not_configured", f"'{url}' is no usable WebSocket URL ({error})") from None
    except OSError as error:
        raise UnavailableError("unreachable", f"the host of {url} cannot be resolved: {error}") from None
    return [(family, address) for family, _, _, _, address in found]


async def _measure(url: str, endpoint: Endpoint, addresses: list[Address]) -> Handshakes:
    began = time.monotonic()
    window_s = min(endpoint.patience_s, LONGEST_S)
    how = options(url, endpoint) | {"open_timeout": None, "close_timeout": CLOSE_S}
    tasks: list[asyncio.Task[Attempt]] = []
    async with asyncio.TaskGroup() as group:
        while len(tasks) < ATTEMPTS:
            tasks.append(group.create_task(_attempt(url, how, addresses, began + window_s)))
            await asyncio.sleep(PERIOD_S)
            if not await _room(tasks, began + window_s - min(LEAST_S, window_s / 2)):
                break
    return Handshakes(tuple(task.result() for task in tasks), round(time.monotonic() - began, 3))


async def _room(tasks: list[asyncio.Task[Attempt]], until: float) -> bool:
    """Wait until another connection may be begun; False: the time is over, or the answers so far are answer enough."""
    while len(waiting := [task for task in tasks if not task.done()]) >= IN_FLIGHT and time.monotonic() < until:
        await asyncio.wait(waiting, timeout=until - time.monotonic(), return_when=asyncio.FIRST_COMPLETED)
    done = [task.result().outcome for task in tasks if task.done()]
    no = len(done) >= ENOUGH_REFUSALS and {*done} <= {"status", "broken", "refused", "unreachable"}
    return time.monotonic() < until and not no


async def _attempt(url: str, how: dict[str, Any], addresses: list[Address], until: float) -> Attempt:
    began = time.monotonic()
    sock, outcome = None, "silent"
    try:
        async with asyncio.timeout(until - began):
            sock = await _connected(addresses)
    except TimeoutError:  # the kernel's own, too
        pass
    except ConnectionRefusedError:
        outcome = "refused"
    except OSError:
        outcome = "unreachable"
    connect_s = round(time.monotonic() - began, 6)
    if sock is None:
        return Attempt(outcome, connect_s, answer_s=None, resent=None)
    with sock.dup() as twin:  # the connection's own socket is gone when it fails, and its counters with it
        return await _answered(url, how | {"sock": sock}, twin, connect_s, until)


async def _connected(addresses: list[Address]) -> socket.socket:
    """Return a connected socket; a name with several addresses is tried in their order, as clients do."""
    error: OSError | None = None
    for family, address in addresses:
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(sock, address)
        except TimeoutError:
            sock.close()
            raise
        except OSError as refused:
            sock.close()
            error = refused
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise error or OSError("the host has no address")


async def _answered(url: str, how: dict[str, Any], twin: socket.socket, connect_s: float, until: float) -> Attempt:
    from websockets.asyncio.client import connect
    from websockets.exceptions import InvalidHandshake

    began, link, error, outcome = time.monotonic(), None, None, "ok"
    try:
        async with asyncio.timeout(until - began):
            link = await connect(url, **how)
    except TimeoutError:
        outcome = "unanswered"
    except (InvalidHandshake, OSError, EOFError, ValueError) as broken:  # ValueError: a redirect, which is not followed
        outcome, error = "broken", broken
    answer_s, resent = round(time.monotonic() - began, 6), _resent(twin)
    twin.close()
    status, retry_after = _refusal(error)
    if link is not None:
        with contextlib.suppress(OSError):
            await link.close(1000)
    return Attempt("status" if status else outcome, connect_s, answer_s, resent, status, retry_after)


def _refusal(error: BaseException | None) -> tuple[int | None, str]:
    """Return the HTTP status that a handshake was refused with, and its Retry-After."""
    from websockets.exceptions import InvalidStatus

    while error is not None and not isinstance(error, InvalidStatus):
        error = error.__cause__
    if error is None:
        return None, ""
    said = error.response.headers.get_all("Retry-After")
    return error.response.status_code, said[0] if said and _RETRY_AFTER.fullmatch(said[0]) else ""


def _resent(sock: socket.socket) -> int | None:
    """Return how many packets of a connection were sent again, its first one included."""
    if sys.platform != "linux":
        return None
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
    return int.from_bytes(info[_TOTAL_RETRANS:], sys.byteorder) if len(info) == _TCP_INFO_BYTES else None
