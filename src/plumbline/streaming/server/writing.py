"""How a connection writes: directly while the socket takes it, through its outbox otherwise.

The link holds only the rest of one half-written frame, so pings, pongs and closes, which go behind it, stand behind one
frame at most and never behind the queue.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from plumbline.streaming.core.closes import LOST, Ended, label
from plumbline.streaming.core.identity import ANYBODY
from plumbline.streaming.core.message import Message
from plumbline.streaming.core.outbox import Item, Outbox
from plumbline.streaming.server.link import Link
from plumbline.streaming.server.owner import Owner
from plumbline.streaming.server.run import Run, cut

WRITE_FRAMES = 64  # per writev


class Writing:
    """One client, as the gateway writes to it; each transport adds how it reads and what its bytes look like.

    Args:
        owner: The gateway.
        link: The socket.
        number: Counts accepted connections.
        host: The client's IP address.
        port: Its port.
    """

    __slots__ = (
        "accepted_at",
        "blocked",
        "corked",
        "dropping",
        "ending",
        "finishing",
        "host",
        "identity",
        "last_io",
        "link",
        "live",
        "meter",
        "number",
        "outbox",
        "owner",
        "port",
        "refused_bytes",
        "replays",
        "turn",
        "waiters",
    )

    def __init__(self, owner: Owner, link: Link, number: int, host: str, port: int) -> None:
        self.owner: Any = owner
        self.link = link
        self.number = number
        self.host = host
        self.port = port
        self.identity = ANYBODY
        self.meter: Any = None  # what it does, from its first frame on
        self.accepted_at = self.last_io = owner.now()
        self.outbox = Outbox()
        self.live = True  # until a close frame is sent, or the socket is closed: nothing may follow
        self.blocked = False  # the link holds the rest of a frame
        self.corked = False  # `flush` is due at the end of this turn
        self.dropping = False  # messages were dropped since the queue was last empty
        self.turn = -1  # the turn in which we last wrote directly
        self.ending: int | None = None  # the code we closed with
        self.refused_bytes: int | None = None  # size of the message that ended it
        self.finishing: tuple[int, str] | None = None  # how to close when everything is sent
        self.replays: deque[Callable[[], None]] | None = None  # what it missed, and there was no room for yet
        self.waiters: deque[Callable[[], None]] | None = None  # publishers that wait for room here

    def __str__(self) -> str:
        return f"c{self.number}/{self.host}:{self.port}"

    @property
    def fd(self) -> int:
        """The socket's descriptor; -1 when it is closed."""
        return self.link.fd

    # What each transport says for itself.

    @property
    def envelope(self) -> int:
        """Bytes that it puts around a message, at most."""
        return 16

    def encode(self, message: Message) -> bytes:
        """Return the message as this transport writes it."""
        raise NotImplementedError

    def goodbye(self, code: int, sentence: str) -> bytes:
        """Return the last bytes that a client gets."""
        raise NotImplementedError

    def ping(self, now: float) -> None:
        """Send a heartbeat; it never waits for queued data."""
        raise NotImplementedError

    def how_it_ended(self) -> tuple[int, str, bool]:
        """Return the close code, who closed, and whether both sides said goodbye."""
        return (LOST, "network", False) if self.ending is None else (self.ending, "server", False)

    # What the gateway calls.

    def begin(self, head: bytes) -> None:
        """Send the answer that opens the connection."""
        self.link.send(head)
        self._hold(b"")

    def deliver(self, message: Message, now: float) -> None:
        """Send one message, or queue it.

        The first message of a loop turn is written at once; more of them in the same turn are joined into one write.
        """
        if not self.live:
            return
        if not self.blocked and not self.outbox.queued_bytes:
            owner = self.owner
            if self.turn != owner.turn:
                self.turn = owner.turn
                self._write(self.encode(message), now)
                return
            if not self.corked:
                self.corked = True
                owner.flush_later(self)
        self._queue(message, now)

    def take(self, run: Run, now: float) -> None:
        """Send a channel's messages of this turn in one write, or queue them one by one."""
        if not self.live:
            return
        turn = self.owner.turn
        if self.blocked or self.outbox.queued_bytes or (self.turn == turn and not run.full):
            for message in run.messages:
                self.deliver(message, now)
            return
        self.turn = turn
        self._write_run(run, now)

    def replay(self, run: Run, now: float) -> None:
        """Send what a client missed, in one write behind what waits; it must have room."""
        if not self.blocked:
            self.flush()
        if self.blocked:
            for message in run.messages:
                self.deliver(message, now)
        elif self.live:
            self._write_run(run, now)

    def has_room(self, size: int, messages: int = 1) -> bool:
        """Say whether so many messages of `size` bytes together would have nothing lost and nothing closed."""
        if not self.live or self.outbox.fits(size, self.owner.limits, messages):
            return True
        if not self.blocked:
            self.flush()
        # One alone may go out whatever its size, while the kernel takes bytes.
        return (messages == 1 and not self.blocked) or self.outbox.fits(size, self.owner.limits, messages)

    def flush(self) -> None:
        """Write what waits, until the kernel takes no more."""
        self.corked = False
        while self.outbox.queued_bytes and not self.blocked and self.live:
            count = self.link.write(self.outbox.batch(self.link.batch_bytes, WRITE_FRAMES))
            if count is None:
                return
            rest = self.outbox.written(count)
            self.last_io = self.owner.now()
            self._hold(rest)
        if not self.outbox.queued_bytes:
            self.dropping = False
            if self.finishing is not None and not self.blocked and self.live:
                self.owner.sent(self)

    def finish(self, code: int, sentence: str) -> None:
        """Close as soon as everything that waits is sent."""
        if self.live and self.finishing is None:
            self.finishing = (code, sentence)
            self.flush()

    def close(self, code: int, sentence: str) -> int:
        """Send what can be sent at once, then say goodbye; the gateway drops the socket if the client does not answer.

        Returns:
            How many messages were still waiting, and are lost to this connection.
        """
        if not self.live:
            return 0
        self.finishing = None
        if not self.blocked:
            self.flush()
        lost = len(self.outbox)
        self.live = False
        self.ending = code
        self.outbox.clear()
        self.link.send(self.goodbye(code, sentence))
        return lost

    def deafen(self) -> None:
        """Listen to this client no more; TCP holds it until the socket is dropped."""
        self.link.reading(on=False)

    def abort(self) -> None:
        """Drop the socket now, with a reset."""
        self.link.abort()

    # What the link calls.

    def received(self, data: bytes) -> None:
        """Take bytes."""
        raise NotImplementedError

    def ended(self) -> None:
        """Close: a client that sends no more is taken as gone."""
        self.link.close()
        self.owner.between()

    def writable(self) -> None:
        """Go on writing: the half-written frame is out."""
        self.blocked = False
        self.outbox.in_flight = 0
        self.last_io = self.owner.now()
        self.flush()
        self.owner.writable(self)

    def lost(self) -> None:
        """Tell the gateway how it ended."""
        self.live = False
        self.outbox.clear()
        self.outbox.in_flight = 0
        code, by, clean = self.how_it_ended()
        now = self.owner.now()
        idle_s, age_s = now - self.last_io, now - self.accepted_at
        ended = Ended(code, label(code), by, idle_s, age_s, clean, now, self.host, self.refused_bytes)
        self.owner.gone(self, ended)

    # How it is done.

    def _queue(self, message: Message, now: float) -> None:
        frame = self.encode(message)
        if not self.outbox.fits(len(frame), self.owner.limits) and not self.blocked:
            self.flush()
            if not self.live:  # the connection broke, or everything was sent and it was to be closed then
                return
            if not self.blocked:
                self._write(frame, now)
                return
        self._offer(frame, message, now)

    def _offer(self, frame: bytes, message: Message, now: float) -> None:
        if not self.live:  # closed, because a message before this one did not fit
            return
        outbox, channel, limits = self.outbox, message.channel, self.owner.limits
        dropped, waiting = outbox.dropped, len(outbox)
        if not outbox.offer(Item(frame, channel, now, message.newest_only), limits, self.owner.policy):
            self.owner.overflowed(self, channel, 0)
        elif outbox.dropped != dropped:
            self.owner.overflowed(self, channel, outbox.dropped - dropped)
        elif len(outbox) == waiting:
            self.owner.counters.coalesced += 1

    def _write_run(self, run: Run, now: float) -> None:
        """Write messages of which each reader has bytes of its own."""
        frames = [self.encode(message) for message in run.messages]
        count = self.link.write_one(b"".join(frames))
        if count is not None:
            self._written(count, frames, run, now)

    def _written(self, count: int, frames: list[bytes], run: Run, now: float) -> None:
        """Note that so many bytes are taken care of; the others wait, frame by frame, as the policies say."""
        self.last_io = now
        sent, rest = cut(frames, count)
        self._hold(rest)
        for message, frame in zip(run.messages[sent:], frames[sent:], strict=True):
            self._offer(frame, message, now)

    def _write(self, frame: bytes, now: float) -> None:
        count = self.link.write_one(frame)
        if count is None:
            return
        self.last_io = now
        if count != len(frame) or self.link.rest is not None:
            self._hold(frame[count:])

    def _hold(self, rest: bytes) -> None:
        """Leave the rest of a frame with the link, and note what it holds."""
        if rest:
            self.link.hold(rest)
        held = self.link.held
        self.outbox.in_flight = held
        if held and not self.blocked:
            self.blocked = True
            self.owner.stalled(self)
