"""One channel as a hub sees it: what has passed, who reads, and how a hole is closed before anything goes on. Pure.

Everything that reaches readers passes `_pass`, in order of offsets and without a hole, whatever the broker does:
answers late, interrupts, tells twice, or starts the channel again under another epoch.
"""

from __future__ import annotations

from collections import deque
from typing import Generic

from plumbline.streaming.core.broker import BrokerError, Entry, Past, Position
from plumbline.streaming.core.channel_settings import ChannelSettings
from plumbline.streaming.core.entrance import SLICE, Entrance, Not
from plumbline.streaming.core.outside import Outside
from plumbline.streaming.core.subscriptions import R

MOST_FILLS = 3
"""Times that a hole is asked for without any of it coming, before its readers are told to recover."""


class Stream(Generic[R]):
    """One channel.

    Args:
        name: The channel's name.
        rule: What holds for it.
        outside: The hub.
        most_held: Messages that may wait, or be remembered, while the broker is asked.
    """

    __slots__ = (
        "_asking",
        "_entering",
        "_filling",
        "_fills",
        "_held",
        "_outside",
        "_recent",
        "live",
        "most_held",
        "name",
        "newest",
        "position",
        "readers",
        "rule",
    )

    def __init__(self, name: str, rule: ChannelSettings, outside: Outside, most_held: int) -> None:
        self.name = name
        self.rule = rule
        self.most_held = most_held
        self.position: Position | None = None  # of the last message that passed; None before the first attachment
        self.live = False  # attached, and nothing is missing
        self.readers: dict[R, None] = {}  # of every message; a set that keeps the order of subscribing
        self.newest: dict[R, None] | None = None  # to whom only the newest matters
        self._outside = outside
        self._entering: dict[R, Entrance[R]] | None = None
        self._asking: dict[Position | None, list[Entrance[R]]] | None = None  # one question serves all who have it
        self._recent: deque[Entry] | None = None  # what passed while somebody's past is asked for
        self._held: deque[tuple[Position, bytes]] | None = None  # what arrived behind a hole
        self._filling: object | None = None  # the open question for a hole's messages
        self._fills = 0

    def __len__(self) -> int:
        return len(self.readers) + len(self.newest or ()) + len(self._entering or ())

    @property
    def everybody(self) -> tuple[R, ...]:
        """All readers whose subscription has begun."""
        return (*self.readers, *(self.newest or ()))

    # What the broker says.

    def attached(self, head: Position) -> None:
        """Go on from here: everything after `head` arrives."""
        at = self.position
        if at is None:
            self.position = at = head
        if head == at:
            self._resume()
            for entrance in tuple((self._entering or {}).values()):
                self._step(entrance)
        elif head.epoch == at.epoch and head.offset > at.offset:
            self.fill()
        else:
            self._lost(head)

    def interrupted(self) -> None:
        """Messages may be missing from now on, until it is attached anew."""
        self.live = False
        self._filling = None

    def arrived(self, position: Position, data: bytes) -> None:
        """Pass a message on, unless it came before, or something is missing in front of it."""
        at = self.position
        if not self.live or at is None:
            self._hold(position, data)
        elif position.epoch == at.epoch and position.offset == at.offset + 1:
            self._pass(position, data)
        elif position.epoch != at.epoch or position.offset > at.offset:
            self._hold(position, data)
            self.fill()

    def fill(self) -> None:
        """Ask for what is missing behind the last message that passed, and hold what arrives meanwhile."""
        if self._filling is None and self.position is not None:
            self.live = False
            token = self._filling = object()
            limit = max(self.rule.history_messages, 1)
            self._outside.past(self.name, self.position, limit, lambda told: self._filled(token, told))

    # What readers do.

    def enter(self, entrance: Entrance[R]) -> None:
        """Let a reader begin, now or when it is known what it missed."""
        if self._entering is None:
            self._entering = {}
        self._entering[entrance.reader] = entrance
        if self.position is not None:
            self._step(entrance)

    def entering(self, reader: R) -> bool:
        """Say whether this reader's subscription has not begun yet."""
        return self._entering is not None and reader in self._entering

    def room(self, entrance: Entrance[R]) -> None:
        """Go on with a client that had no room for more of what it missed."""
        entrance.waits = False
        if self._current(entrance):
            entrance.past = None  # more has passed meanwhile
            entrance.tries = 0
            self._step(entrance)

    def refuse(self, error: BrokerError) -> None:
        """Turn all away that wait for the broker."""
        entering, self._entering, self._asking = self._entering or {}, None, None
        for entrance in entering.values():
            entrance.refuse(error)

    def drop(self, reader: R) -> None:
        """Forget a reader."""
        self.readers.pop(reader, None)
        if self.newest is not None:
            self.newest.pop(reader, None)
            if not self.newest:
                self.newest = None
        self._settled(reader)

    # How a subscription begins.

    def _step(self, entrance: Entrance[R]) -> None:
        at, since = self.position, entrance.since
        if at is None or entrance.waits or not self._current(entrance):
            return
        if since is None or since == at:
            self._begin(entrance, None if since is None else True, ())
        elif entrance.past is None:
            if since.epoch != at.epoch and not entrance.newest_only:
                self._begin(entrance, False, ())
            else:
                self._ask(entrance)
        else:
            self._judge(entrance, at)

    def _judge(self, entrance: Entrance[R], at: Position) -> None:
        missed = entrance.missed(at, self._recent or ())
        if missed is Not.AGAIN:
            self._ask(entrance)
        elif missed is Not.LOST:
            self._begin(entrance, False, ())
        elif not isinstance(missed, Not):
            self._begin(entrance, True, missed)
        elif entrance.since is not None:  # ahead: each message that passes brings another look
            self._outside.behind(self, entrance.since)

    def _begin(self, entrance: Entrance[R], recovered: bool | None, missed: object) -> None:
        at = self.position
        if at is None or not entrance.begin(at, recovered, missed):  # type: ignore[arg-type]  # a sequence of entries
            return
        if entrance.newest_only:
            if self.newest is None:
                self.newest = {}
            self.newest[entrance.reader] = None
        else:
            self.readers[entrance.reader] = None
        self._settled(entrance.reader)

    def _ask(self, entrance: Entrance[R]) -> None:
        entrance.tries += 1
        question = entrance.question
        if self._asking is None:
            self._asking = {}
        others = self._asking.get(question)
        if others is not None:
            others.append(entrance)
            return
        self._asking[question] = [entrance]
        limit = 1 if question is None else SLICE
        self._outside.past(self.name, question, limit, lambda told: self._told(question, told), part=True)
        if self._asking is not None and question in self._asking and self._recent is None:
            self._recent = deque(maxlen=self.most_held)  # it answers later: remember what passes meanwhile

    def _told(self, question: Position | None, told: Past | BrokerError) -> None:
        waiting = self._asking.pop(question, []) if self._asking else []
        for entrance in waiting:
            if not self._current(entrance):
                continue
            if isinstance(told, BrokerError):
                self._settled(entrance.reader)
                entrance.refuse(told)
            else:
                entrance.past = told
                self._step(entrance)
        if not self._asking:
            self._asking = self._recent = None

    def _current(self, entrance: Entrance[R]) -> bool:
        return self._entering is not None and self._entering.get(entrance.reader) is entrance

    def _settled(self, reader: R) -> None:
        if self._entering is not None:
            self._entering.pop(reader, None)
            if not self._entering:
                self._entering = None

    # How messages pass.

    def _pass(self, position: Position, data: bytes) -> None:
        self.position = position
        if self._recent is not None:
            self._recent.append(Entry(position.offset, data))
        self._outside.deliver(self, position, data)
        if self._entering is not None:
            for entrance in tuple(self._entering.values()):
                if entrance.since == position:  # it was ahead; now it is not
                    self._step(entrance)

    def _hold(self, position: Position, data: bytes) -> None:
        if self._held is None:
            self._held = deque(maxlen=self.most_held)
        self._held.append((position, data))

    def _filled(self, token: object, told: Past | BrokerError) -> None:
        at = self.position
        if token is not self._filling or at is None:
            return  # it was interrupted since: another question is open
        self._filling = None
        self._fills += 1
        if isinstance(told, BrokerError):
            if self._fills >= MOST_FILLS:
                self._lost(at)
            else:
                self._outside.fill_later(self)
        elif not told.recovered:
            self._lost(told.position)
        else:
            for entry in told.entries:
                if self.position is not None and entry.offset == self.position.offset + 1:
                    self._fills = 0
                    self._pass(Position(at.epoch, entry.offset), entry.data)
            if self._fills >= MOST_FILLS and self._held:
                self._lost(self._held[-1][0])
            else:
                self._resume()

    def _resume(self) -> None:
        """Pass on what was held; a hole in it is asked for in turn."""
        self.live = True
        held, self._held = self._held, None
        for position, data in held or ():
            self.arrived(position, data)
        if self.live:
            self._fills = 0

    def _lost(self, head: Position) -> None:
        """Give the readers up: what they miss cannot be had. Who comes now begins at `head`."""
        self.position = head
        held, self._held = self._held, None
        self._fills = 0
        self._outside.end(self, "messages were lost to this subscription; recover it, or take a snapshot")
        self.live = True
        for position, data in held or ():
            if position.epoch == head.epoch:
                self.arrived(position, data)
        for entrance in tuple((self._entering or {}).values()):
            if entrance.past is not None or self._asking is None:
                self._step(entrance)
