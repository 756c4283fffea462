"""One session with the gateway over however many connections: events in, actions out. No I/O, no clock of its own.

Whoever holds it tells what happened (`opened`, `received`, `lost`, `tick`) or what is wanted (`subscribe`, `publish`,
…), and then does what `take` returns. `now` is always the same clock, in seconds.
"""

from __future__ import annotations

import heapq
from random import Random
from typing import Any

from plumbline.streaming.client import wire
from plumbline.streaming.client.actions import Action, Advice, Answer, Fail, Greeted, Hang
from plumbline.streaming.client.asks import Ask, Asks
from plumbline.streaming.client.counts import Counts
from plumbline.streaming.client.desk import Desk
from plumbline.streaming.client.errors import ClientError, NoAnswerError, RefusedError
from plumbline.streaming.client.reading import Reading, for_now, refusal
from plumbline.streaming.client.track import Track
from plumbline.streaming.core.broker import Position
from plumbline.streaming.core.commands import Mode

WINDOW = 64  # requests under way on one connection; the gateway reads no more of a client from 256 on (`max_pending`)
CAREFUL = 2  # ... for a while after it said `rate-limited`: it closes those who go on (`max_refusals` in ten seconds)
CAREFUL_S = 10.0
PAUSE_S = (0.25, 0.75)
UNKNOWN_FATE = "; it may have been carried out: publish again with the same key, and it is stored once"


class Session:
    """What one socket after the other is about.

    Args:
        rng: Where chance comes from.
        counts: What is counted.
        request_timeout_s: Time for the answer to a subscription, and for the greeting, in seconds.
    """

    def __init__(self, rng: Random, counts: Counts | None = None, *, request_timeout_s: float = 10.0) -> None:
        self.counts = counts if counts is not None else Counts()
        self._desk = Desk(rng, self.counts, request_timeout_s)
        self._asks = Asks()
        self.reading = Reading(self._desk)
        self._connection = 0  # counts connections, so that a time set for one does not end another
        self._connected = False
        self._unsent: list[int] = []  # a heap: ids grow, so the oldest goes first
        self._under_way = 0
        self._paused_until = self._careful_until = 0.0

    @property
    def greeted(self) -> bool:
        """Whether the gateway takes commands now."""
        return self._desk.greeted

    @property
    def idle(self) -> bool:
        """Whether nothing is read and nothing is asked."""
        return not len(self.reading) and not len(self._asks)

    @property
    def due(self) -> float | None:
        """When to call `tick`; None: no need."""
        return self._desk.due

    def take(self) -> list[Action]:
        """Return what is to be done now, and forget it."""
        return self._desk.take()

    # What the program wants.

    def subscribe(self, track: Track, now: float) -> None:
        """Read a channel."""
        self.reading.subscribe(track, now)

    def unsubscribe(self, channel: str, now: float) -> None:
        """Read it no more."""
        self.reading.unsubscribe(channel, now)

    def change(self, channel: str, mode: Mode, now: float, *, join: bool) -> None:
        """Read it in another way, from where it stands."""
        self.reading.change(channel, mode, now, join=join)

    def publish(self, token: Any, channel: str, data: str, key: str, timeout_s: float, now: float) -> None:
        """Publish JSON text; the key makes it safe to send again on another connection."""
        request = self._desk.next_id()
        text = wire.publication(request, channel, data, key)
        self._add(Ask(request, "publish", text, token, timeout_s, now + timeout_s, UNKNOWN_FATE), now)

    def request(self, token: Any, verb: str, value: str, timeout_s: float, now: float, **more: Any) -> None:
        """Ask for history or presence, or show a fresh token; the last ends with its connection."""
        request = self._desk.next_id()
        text = wire.command(request, verb, value, **more)
        lasting = verb != "auth"
        self._add(Ask(request, verb, text, token, timeout_s, now + timeout_s, lasting=lasting), now)

    def forget(self, token: Any, now: float) -> None:
        """Wait no more for this answer: who asked has gone."""
        for ask in self._asks:
            if ask.token is token:
                self._remove(ask, now)

    def close(self, error: ClientError) -> None:
        """End everything."""
        self._lose()
        self.reading.close(error)
        for ask in self._asks:
            self._asks.pop(ask.request)
            self._desk.actions.append(Fail(ask.token, error))

    # What the socket tells.

    def opened(self, now: float) -> None:
        """Take in that a connection stands; commands wait for the gateway's greeting."""
        self._connection += 1
        self._connected = True
        self._desk.wake_at(now + self._desk.request_timeout_s, ("hello", self._connection))

    def lost(self) -> None:
        """Take in that the connection is gone."""
        self._lose()
        self._under_way = 0
        self._paused_until = 0.0
        for ask in self._asks.disconnected():
            self._desk.actions.append(Fail(ask.token, ClientError(f"the connection was lost before {ask.verb} ended")))

    def received(self, text: str | bytes, now: float) -> None:
        """Take in a message."""
        try:
            told = wire.read(text)
            if "id" in told:
                self._answered(told, now)
            elif "channel" in told:
                self._of_channel(told, now)
            elif "hello" in told:
                self._greeted(told["hello"], now)
            elif "reconnect" in told:
                self._advised(told["reconnect"])
        except wire.WireError as error:
            self._desk.actions.append(Hang(str(error)))

    # What the clock tells.

    def tick(self, now: float) -> None:
        """Do what the time has come for."""
        for key in self._desk.woken(now):
            kind, what = key
            if kind == "request":
                self._late(int(what), now)
            elif kind == "pause":
                self._pump(now)
            elif kind == "hello":
                if what == self._connection and self._connected and not self.greeted:
                    self._hang("the gateway did not greet")
            elif not self.reading.woken(key, now):
                self._hang("the gateway did not answer a subscription")

    # How it is done.

    def _add(self, ask: Ask, now: float) -> None:
        self._asks.add(ask)
        self._desk.wake_at(ask.deadline, ("request", ask.request))
        heapq.heappush(self._unsent, ask.request)
        self._pump(now)

    def _pump(self, now: float) -> None:
        """Send what waits, in order, as long as the gateway can be expected to take it."""
        window = CAREFUL if now < self._careful_until else WINDOW
        while self.greeted and now >= self._paused_until and self._unsent and self._under_way < window:
            ask = self._asks.get(heapq.heappop(self._unsent))
            if ask is not None:
                self._send(ask)

    def _remove(self, ask: Ask, now: float) -> None:
        """Wait for this answer no more: another request may be sent."""
        self._asks.pop(ask.request)
        if ask.sent:
            self._under_way -= 1
            self._pump(now)

    def _send(self, ask: Ask) -> None:
        limit = self._desk.limits.max_message_bytes
        if (size := len(ask.text.encode())) > limit:
            self._asks.pop(ask.request)
            sentence = f"the message has {size} bytes, but this gateway takes {limit} (max_message_bytes)"
            self._desk.actions.append(Fail(ask.token, RefusedError("too-large", sentence)))
            return
        ask.sent = True
        self._under_way += 1
        self.counts.retried += ask.tries > 0
        ask.tries += 1
        self._desk.say(ask.text)

    def _late(self, request: int, now: float) -> None:
        ask = self._asks.get(request)
        if ask is not None and ask.deadline <= now:
            self._fail(ask, NoAnswerError(ask.verb, ask.timeout_s, ask.hint), now)

    def _fail(self, ask: Ask, error: ClientError, now: float) -> None:
        self._remove(ask, now)
        self._desk.actions.append(Fail(ask.token, error))

    def _hang(self, sentence: str) -> None:
        self._desk.actions.append(Hang(f"{sentence} within {self._desk.request_timeout_s:g} s"))

    def _lose(self) -> None:
        self._connected = self._desk.greeted = False
        self._desk.silence()
        self.reading.disconnected()

    def _answered(self, told: dict[str, Any], now: float) -> None:
        error, request = told.get("error"), told["id"]
        if not isinstance(request, int):
            self._rejected(error)
            return
        if self.reading.answered(request, told, now):
            return
        ask = self._asks.get(request)
        if ask is None or not ask.sent:
            return
        if not isinstance(error, dict):
            self._remove(ask, now)
            self._desk.actions.append(Answer(ask.token, told))
        elif for_now(error):
            self._wait(ask, refusal(error), now)
        else:
            self._fail(ask, refusal(error), now)

    def _rejected(self, error: Any) -> None:
        """Take in that a whole message was refused: nobody knows which requests; smaller ones may be taken."""
        limits = self._desk.limits
        limits.max_batch = max(1, limits.max_batch // 2)
        because = refusal(error) if isinstance(error, dict) else "no reason given"
        self._desk.actions.append(Hang(f"the gateway refused a whole message: {because}"))

    def _wait(self, ask: Ask, refused: RefusedError, now: float) -> None:
        """Ask again later, and hold the others back as well, unless that is after the time that the request has."""
        waiting_s = (refused.retry_after_s or 0.0) + self._desk.rng.uniform(*PAUSE_S)
        self._paused_until = max(self._paused_until, now + waiting_s)
        if refused.code == "rate-limited":
            self._careful_until = self._paused_until + CAREFUL_S
        if self._paused_until >= ask.deadline:
            self._fail(ask, refused, now)
        else:
            ask.sent = False
            self._under_way -= 1
            heapq.heappush(self._unsent, ask.request)
        self._desk.wake_at(self._paused_until, ("pause", 0))

    def _of_channel(self, told: dict[str, Any], now: float) -> None:
        channel = told["channel"]
        if not isinstance(channel, str):
            raise wire.WireError("the gateway sent a channel that is no text")
        if "offset" in told:
            self.reading.message(channel, told["offset"], told.get("data"), now)
        elif "ended" in told:
            self.reading.ended(channel, told["ended"], now)
        elif "joined" in told or "left" in told:
            self.reading.presence(channel, told)

    def _greeted(self, hello: Any, now: float) -> None:
        if not isinstance(hello, dict) or not self._connected or self.greeted:
            return
        limits = self._desk.limits
        limits.max_message_bytes = _whole(hello.get("max_message_bytes"), limits.max_message_bytes)
        limits.max_batch = _whole(hello.get("max_batch"), limits.max_batch)
        self._desk.greeted = True
        self.counts.connected += 1
        most = _whole(hello.get("max_subscriptions"), 0) or None
        self._desk.actions.append(Greeted(str(hello.get("client", "")), most))
        self.reading.greeted(now)
        self._unsent = sorted(ask.request for ask in self._asks)
        self._pump(now)

    def _advised(self, told: Any) -> None:
        try:
            advice = Advice(float(told["after_s"]), float(told["within_s"]), str(told["because"]))
        except (KeyError, TypeError, ValueError):
            raise wire.WireError("the gateway sent advice that cannot be read") from None
        self._desk.actions.append(advice)


def _whole(value: Any, otherwise: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else otherwise


def position_of(told: dict[str, Any]) -> Position:
    """Return the position in an answer.

    Raises:
        ClientError: There is none.
    """
    try:
        return wire.position(told)
    except wire.WireError as error:
        raise ClientError(str(error)) from None
