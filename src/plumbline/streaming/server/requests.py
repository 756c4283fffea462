"""What clients ask, carried out in order, with those waiting that must: for the broker, a slow reader, an answer."""

from __future__ import annotations

import logging
from collections import deque
from typing import Protocol

from plumbline.streaming.core import answers
from plumbline.streaming.core.commands import (
    Authenticate,
    Command,
    Ping,
    Publish,
    RequestError,
    Subscribe,
    Unsubscribe,
)
from plumbline.streaming.core.message import Message
from plumbline.streaming.core.parsing import parse_all, requests_in
from plumbline.streaming.core.setting_kinds import Overflow
from plumbline.streaming.server import log, verbs
from plumbline.streaming.server.fanout import ENVELOPE_BYTES
from plumbline.streaming.server.verbs import Verbs
from plumbline.streaming.server.writing import Writing

Asked = Command | RequestError


class Owner(verbs.Owner, Protocol):
    """What the requests need of the gateway."""

    def reading(self, connection: Writing, *, paused: bool) -> None:
        """Reading from this client stops or goes on."""


class _Slot:
    """An answer that is not there yet, or waits for those before it."""

    __slots__ = ("answer", "done")

    def __init__(self) -> None:
        self.done = False
        self.answer: bytes | None = None


class _Lane:
    """What one client waits for; it has one only while it does."""

    __slots__ = ("parked", "paused", "slots", "waiting")

    def __init__(self) -> None:
        self.parked: deque[Asked] = deque()  # not begun
        self.slots: deque[_Slot] = deque()  # begun, in the order of their answers
        self.paused = False
        self.waiting = False  # for a reader that is slow


class Requests:
    """Carries out what clients ask.

    Args:
        owner: The gateway.
    """

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._verbs = Verbs(owner)
        self._lanes: dict[Writing, _Lane] = {}
        self.held: dict[Writing, float] = {}  # publishers that wait for a slow reader, since when

    def received(self, connection: Writing, text: str) -> None:
        """Take one message: a request, or an array of them."""
        try:
            todo: deque[Asked] = deque(parse_all(text, self._owner.settings.max_batch))
        except RequestError as failed:
            todo = deque([failed])
        lane = self._lanes.get(connection)
        if lane is not None and lane.parked:
            lane.parked.extend(todo)
        else:
            self._work(connection, todo)

    def refuse(self, connection: Writing, text: str, because: RequestError) -> None:
        """Answer each request of a message that is not carried out."""
        for request in requests_in(text):
            self._owner.counters.errors[because.code] += 1
            because.request = request
            self._say(connection, answers.error(because))

    def gone(self, connection: Writing) -> None:
        """Forget a connection's requests."""
        self._lanes.pop(connection, None)
        self.held.pop(connection, None)

    def pending(self) -> int:
        """Return how many requests wait for the broker."""
        return sum(len(lane.slots) for lane in self._lanes.values())

    # In which order.

    def _work(self, connection: Writing, todo: deque[Asked]) -> None:
        """Begin what can begin; the rest waits, and the client is not read from."""
        while todo and connection.live:
            lane = self._lanes.get(connection)
            if lane is not None and not self._may_begin(todo[0], lane):
                break
            slow = self._slowest(connection, todo[0])
            if slow is not None:
                self._hold(connection, slow)
                break
            self._begin(connection, todo.popleft())
        if todo and connection.live:
            lane = self._lanes.setdefault(connection, _Lane())
            lane.parked = todo
            self._pause(connection, lane)

    def _may_begin(self, asked: Asked, lane: _Lane) -> bool:
        """Say whether a request may begin before those in front of it are answered.

        What a subscription gets follows its answer at once, so its answer must be the next one.
        """
        if isinstance(asked, Subscribe | Unsubscribe | Authenticate):
            return not lane.slots
        return len(lane.slots) < self._owner.settings.max_pending

    def _begin(self, connection: Writing, asked: Asked) -> None:
        slot = _Slot()

        def reply(answer: bytes | RequestError | None) -> None:
            if isinstance(answer, RequestError):
                self._owner.counters.errors[answer.code] += 1
                answer = answers.error(answer)
            self._answered(connection, slot, answer)

        try:
            if isinstance(asked, RequestError):
                raise asked
            self._verbs.carry_out(connection, asked, reply)
        except RequestError as failed:
            reply(failed)
        if not slot.done:
            self._lanes.setdefault(connection, _Lane()).slots.append(slot)

    def _answered(self, connection: Writing, slot: _Slot, answer: bytes | None) -> None:
        lane = self._lanes.get(connection)
        slot.done = True
        if lane is None or not lane.slots:
            self._say(connection, answer)
            return
        slot.answer = answer
        if slot is not lane.slots[0]:
            if slot not in lane.slots:  # it was answered at once, but others in front of it were not
                lane.slots.append(slot)
            return
        while lane.slots and lane.slots[0].done:
            self._say(connection, lane.slots.popleft().answer)
        self._go_on(connection, lane)

    def _go_on(self, connection: Writing, lane: _Lane) -> None:
        """Begin what was parked, as far as it can; without any, read from the client again."""
        if lane.waiting:
            return
        parked, lane.parked = lane.parked, deque()
        self._work(connection, parked)
        if lane.parked or self._lanes.get(connection) is not lane:
            return
        self._release(connection)
        if lane.paused:
            lane.paused = False
            if connection.live:
                self._owner.reading(connection, paused=False)
        if not lane.slots:
            del self._lanes[connection]

    def _say(self, connection: Writing, answer: bytes | None) -> None:
        if answer is not None:
            self._owner.fanout.before(connection)
            connection.deliver(Message(answer), self._owner.now())

    def _pause(self, connection: Writing, lane: _Lane) -> None:
        if not lane.paused:
            lane.paused = True
            self._owner.reading(connection, paused=True)

    # Who waits for a slow reader.

    def _slowest(self, connection: Writing, asked: Asked) -> Writing | None:
        """Return who has no room: the client itself for an answer, or a reader of what it publishes."""
        data = asked.data if isinstance(asked, Publish | Ping) else b""
        if self._owner.settings.overflow is Overflow.WAIT and not connection.has_room(len(data) + ENVELOPE_BYTES):
            return connection
        return self._owner.fanout.slowest(asked.channel, len(data)) if isinstance(asked, Publish) else None

    def _hold(self, connection: Writing, slow: Writing) -> None:
        """Stop reading from this client until `slow` has room: TCP then holds the publisher itself."""
        lane = self._lanes.setdefault(connection, _Lane())
        lane.waiting = True
        self._owner.fanout.wait_for(slow, lambda: self._try_again(connection, lane))
        if connection in self.held:
            return
        self.held[connection] = self._owner.now()
        self._owner.counters.holds += 1
        log.event(
            logging.WARNING,
            "publisher held",
            connection=connection,
            slowest=slow,
            queued_bytes=slow.outbox.waiting_bytes,
            limit_bytes=self._owner.settings.queue_max_bytes,
        )

    def _try_again(self, connection: Writing, lane: _Lane) -> None:
        lane.waiting = False
        if self._lanes.get(connection) is lane:
            self._go_on(connection, lane)

    def _release(self, connection: Writing) -> None:
        since = self.held.pop(connection, None)
        if since is not None:
            held_s = self._owner.now() - since
            log.event(logging.INFO, "publisher released", connection=connection, held_s=held_s)
