"""Take connections from a listening socket, and stay up when the kernel refuses.

Our own loop around `accept` instead of the event loop's: libuv answers descriptor exhaustion by closing the client's
connection in silence, whereas an operator needs it logged, counted and retried.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
from collections import deque
from collections.abc import Callable
from pathlib import Path

from plumbline.streaming.server import log

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 1.0
MOST_AT_THE_END = 1 << 17  # twice the longest backlog: a flood must not keep a listener open for ever
SLICE = 16  # sockets handed over per turn: a handshake takes some 100 us, and who is connected waits for all of them
BETWEEN = 32  # farewells between two looks at the kernel's queue


class Spare:
    """Descriptors kept back, so that the admin socket can be reached when there are none left."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._held: list[int] = []
        self.refill()

    def refill(self) -> None:
        """Take descriptors until the reserve is full again, as far as there are any."""
        while len(self._held) < self._count:
            try:
                self._held.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
            except OSError:
                return

    def give(self) -> bool:
        """Give one descriptor back to the process; False if none is left."""
        if not self._held:
            return False
        os.close(self._held.pop())
        return True

    def close(self) -> None:
        """Give all of them back."""
        while self.give():
            pass


class Acceptor:
    """Accepts while there is something to accept, and hands over in slices.

    To accept costs a tenth of a handshake. So all that wait in the kernel's queue, which overflows without a word, are
    taken first and wait here, where one costs a descriptor and no event; in each turn of the loop some are handed over.

    Args:
        listener: A listening, non-blocking socket; closed by `close`.
        take: Called with each accepted socket and its peer's address.
        failed: Called with the error of each failed accept.
        batch: Connections accepted per turn.
        most: Accepted sockets that may wait to be handed over; with so many, the others stay in the kernel's queue.
        spare: Reserve to use when descriptors run out.
    """

    def __init__(
        self,
        listener: socket.socket,
        take: Callable[[socket.socket, object], None],
        *,
        failed: Callable[[OSError], None],
        batch: int = 16,
        most: int = 1024,
        spare: Spare | None = None,
    ) -> None:
        self.listener = listener
        self.batch = batch
        self.most = most
        self.waiting: deque[tuple[socket.socket, object]] = deque()
        self._take = take
        self._failed = failed
        self._spare = spare
        self._loop = asyncio.get_running_loop()
        self._pause_s = FIRST_PAUSE_S
        self._failures = 0
        self._retry: asyncio.TimerHandle | None = None
        self._turning = False  # `_turn` is due
        self._watching = False
        self._farewells = 0
        self._watch()

    async def finish(self) -> None:
        """Take all that wait in the kernel's queue and hand them over, then close the listening socket.

        Closed with connections in its queue, it would reset them: also with `SO_REUSEPORT`, where others listen on.
        """
        most = MOST_AT_THE_END
        await self._given()
        while most > 0 and (taken := self._take_some(min(self.batch, self.most))):
            most -= taken
            await self._given()
        self.close()

    async def _given(self) -> None:
        """Wait until all that were accepted are handed over."""
        while self.waiting:
            self._hand_over()
            await asyncio.sleep(0)

    def close(self) -> None:
        """Take no more, and close the listening socket and those that were not handed over."""
        if self._retry is not None:
            self._retry.cancel()
        if self.listener.fileno() >= 0:
            self._rest()
            self.listener.close()
        while self.waiting:
            self.waiting.pop()[0].close()

    def between(self) -> None:
        """Look at the kernel's queue in between, when thousands are seen off in one turn of the loop."""
        self._farewells += 1
        if self._farewells >= BETWEEN:
            self._farewells = 0
            if self._watching:
                self._take_some(self.batch)

    def _watch(self) -> None:
        self._retry = None
        self._watching = True
        self._loop.add_reader(self.listener, self._ready)

    def _rest(self) -> None:
        """Look no more: the listening socket stays readable, and would be reported without end."""
        self._watching = False
        self._loop.remove_reader(self.listener)

    def _ready(self) -> None:
        self._take_some(self.batch)

    def _take_some(self, most: int) -> int:
        """Accept at most so many, and return how many there were."""
        for taken in range(most):
            if len(self.waiting) >= self.most:
                self._rest()
                return taken
            try:
                accepted, peer = self._accept()
            except (BlockingIOError, InterruptedError):
                return taken
            except ConnectionAbortedError:  # it has left the queue
                continue
            except OSError as error:
                self._pause(error)
                return taken
            self._recovered()
            accepted.setblocking(False)
            self.waiting.append((accepted, peer))
            self._turn_soon()
        return most

    def _turn_soon(self) -> None:
        if not self._turning:
            self._turning = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._turning = False
        self._hand_over()
        if self.waiting:
            self._turn_soon()

    def _hand_over(self) -> None:
        """Hand some over; with room for as many as one turn accepts, go on accepting."""
        waiting = self.waiting
        for _ in range(min(SLICE, len(waiting))):
            self._take(*waiting.popleft())
        room = self.most - len(waiting) >= min(self.batch, self.most)
        if room and not self._watching and self._retry is None and self.listener.fileno() >= 0:
            self._watch()

    def _accept(self) -> tuple[socket.socket, object]:
        try:
            return self.listener.accept()
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE) or self._spare is None or not self._spare.give():
                raise
        return self.listener.accept()

    def _pause(self, error: OSError) -> None:
        """Wait before the next try."""
        self._failures += 1
        self._failed(error)
        log.event(logging.ERROR, f"accept failed: {error}", failures=self._failures, retry_in_s=self._pause_s)
        self._rest()
        self._retry = self._loop.call_later(self._pause_s, self._watch)
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)

    def _recovered(self) -> None:
        if self._failures:
            log.event(logging.INFO, "accept recovered", failures=self._failures)
            self._failures, self._pause_s = 0, FIRST_PAUSE_S


def listen_tcp(host: str, port: int, backlog: int) -> socket.socket:
    """Return a listening TCP socket.

    Args:
        host: An address of this machine.
        port: 0 takes a free one.
        backlog: Connections that may wait to be accepted.

    Raises:
        OSError: The address is taken, or is none of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=backlog)
    listener.setblocking(False)
    return listener


def adopt(fd: int) -> socket.socket:
    """Return the TCP socket that was handed over as this descriptor: by a supervisor, or by systemd as number 3.

    It may listen already, or not yet.

    Raises:
        OSError: There is no such descriptor, or it is no TCP socket.
    """
    listener = socket.socket(fileno=fd)
    if listener.family not in (socket.AF_INET, socket.AF_INET6) or listener.type != socket.SOCK_STREAM:
        listener.detach()
        raise OSError(errno.ENOTSOCK, f"descriptor {fd} is no TCP socket")
    listener.setblocking(False)
    listener.set_inheritable(False)
    return listener


def listen_admin(path: str) -> socket.socket:
    """Return a listening Unix socket that only its owner may use; a dead gateway's leftover is replaced.

    Raises:
        OSError: Another gateway listens there, something else is in the way, its folder is missing, or the path is too
            long; it names the path.
    """
    if len(os.fsencode(path)) > 100:  # sun_path has 108 bytes on Linux, 104 on macOS
        raise OSError(errno.ENAMETOOLONG, "a Unix socket's path may have 100 bytes", path)
    try:
        _remove_leftover(path)
        return _bound(path)
    except FileNotFoundError:
        raise FileNotFoundError(errno.ENOENT, f"there is no folder {Path(path).parent}", path) from None
    except OSError as error:  # of a socket's call, which knows no path
        raise OSError(error.errno, error.strerror, error.filename or path) from None


def _bound(path: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(path)
        listener.listen(16)
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(before)
    listener.setblocking(False)
    return listener


def _remove_leftover(path: str) -> None:
    place = Path(path)
    if place.exists() and not place.is_socket():
        raise OSError(errno.EEXIST, "there is a file that is no socket", path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            place.unlink()
            return
        except FileNotFoundError:
            return
    raise OSError(errno.EADDRINUSE, "another gateway listens on this admin socket", path)
