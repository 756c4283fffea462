"""The client's sockets and channels: opened as needed, filled evenly, closed when idle."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from itertools import count
from random import Random

from plumbline.streaming.client.actions import Action, Answer, Emit, End, Fail, Full, Greeted, Live
from plumbline.streaming.client.backoff import Backoff
from plumbline.streaming.client.buffer import Buffer
from plumbline.streaming.client.counts import Counts
from plumbline.streaming.client.dial import Dialer
from plumbline.streaming.client.errors import FullError, GoneError
from plumbline.streaming.client.feed import Feed
from plumbline.streaming.client.inlet import Inlet
from plumbline.streaming.client.link import Link, Times
from plumbline.streaming.client.options import Options
from plumbline.streaming.client.placement import choose, spread
from plumbline.streaming.client.route import Route
from plumbline.streaming.client.session import Session
from plumbline.streaming.client.token import Token
from plumbline.streaming.client.track import Track
from plumbline.streaming.core.broker import Position
from plumbline.streaming.core.commands import Mode


class Slot:
    """A link as the placement sees it."""

    def __init__(self, link: Link, usual: int) -> None:
        self.link = link
        self._usual = usual

    @property
    def load(self) -> int:
        """Channels that it carries."""
        return len(self.link.session.reading)

    @property
    def room(self) -> int:
        """Channels that it can take more."""
        limit = self._usual if self.link.capacity is None else min(self._usual, self.link.capacity)
        return limit - self.load


class Pool:
    """All links and feeds of one client.

    Args:
        urls: Addresses of the gateway, the preferred one first.
        token: Shown to it.
        options: Everything else.
        counts: What is counted.
        rng: Where chance comes from.
    """

    def __init__(self, urls: Sequence[str], token: Token, options: Options, counts: Counts, rng: Random) -> None:
        self._urls = urls
        self._token = token
        self._options = options
        self._counts = counts
        self._rng = rng
        self._loop = asyncio.get_running_loop()
        self._dialer = Dialer(token, options.headers, options.tls, options.open_timeout_s, options.proxy)
        self._slots: list[Slot] = []
        self._numbers = count(1)
        self._feeds: dict[str, Feed] = {}
        self._full: dict[Link, list[Buffer]] = {}
        self._closings: set[asyncio.Task[None]] = set()
        self._sweep: asyncio.TimerHandle | None = None
        self._capacity: int | None = None  # of a socket, as the gateway said last
        self.closed = False

    @property
    def links(self) -> list[Link]:
        """The open sockets, and those that want to be."""
        return [slot.link for slot in self._slots]

    @property
    def channels(self) -> int:
        """How many channels are read."""
        return len(self._feeds)

    def subscribe(self, inlet: Inlet, since: Position | None, mode: Mode, *, join: bool) -> None:
        """Give a reader its channel.

        Raises:
            FullError: No socket has room, and no more may be opened.
        """
        channel = inlet.channel
        feed = self._feeds.get(channel)
        if feed is None:
            link = self._link_for(channel)
            feed = self._feeds[channel] = Feed(channel, link)
            feed.add(inlet, mode, join=join)
            link.session.subscribe(Track(channel, since, mode, join=join), self._loop.time())
        else:
            before = feed.mode, feed.join
            feed.add(inlet, mode, join=join)
            if before != (feed.mode, feed.join):
                feed.link.session.change(channel, feed.mode, self._loop.time(), join=feed.join)
        feed.link.work_soon()

    def leave(self, inlet: Inlet) -> None:
        """Take a reader's channel away; with the last one the subscription ends."""
        feed = self._feeds.get(inlet.channel)
        if feed is None:
            return
        feed.remove(inlet)
        if not len(feed):
            del self._feeds[inlet.channel]
            if feed.link.session.reading.track(inlet.channel) is not None:
                feed.link.session.unsubscribe(inlet.channel, self._loop.time())
                feed.link.work_soon()

    def link_of(self, channel: str) -> Link:
        """Return the socket for a request about a channel: the one that carries it, else one by its hash."""
        feed = self._feeds.get(channel)
        if feed is not None:
            return feed.link
        if not self._slots:
            return self._open().link
        return self._slots[spread(channel, len(self._slots))].link

    async def close(self) -> None:
        """Say goodbye on all sockets."""
        self.closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        gone = GoneError("the client was closed")
        await asyncio.gather(*(link.close(gone) for link in self.links), *self._closings)

    # What links call.

    def do(self, link: Link, action: Action) -> None:
        """Carry out what a session wants."""
        if isinstance(action, Emit):
            self._emit(link, action)
        elif isinstance(action, Greeted):
            self._capacity = action.max_subscriptions
        elif isinstance(action, Live):
            if feed := self._feed(link, action.channel):
                feed.went_live(action)
        elif isinstance(action, Answer | Fail):
            self._settle(action)
        elif isinstance(action, End):
            if feed := self._feed(link, action.channel):
                del self._feeds[action.channel]
                feed.end(action.error)
        elif isinstance(action, Full):
            self._move(link, action)

    def room(self, link: Link) -> Awaitable[None] | None:
        """Return what to wait for, if readers of this link have full buffers."""
        full = self._full.pop(link, None)
        return _room(full) if full else None

    def stopped(self, link: Link, error: GoneError) -> None:  # noqa: ARG002 - its session has told readers of the error
        """Forget a link."""
        self._slots = [slot for slot in self._slots if slot.link is not link]
        self._full.pop(link, None)

    # How it is done.

    def _feed(self, link: Link, channel: str) -> Feed | None:
        feed = self._feeds.get(channel)
        return feed if feed is not None and feed.link is link else None

    def _emit(self, link: Link, action: Emit) -> None:
        feed = self._feed(link, action.channel)
        if feed is None:
            return
        self._counts.dropped += feed.give(action.event)
        if full := list(feed.full()):
            self._full.setdefault(link, []).extend(full)

    def _settle(self, action: Answer | Fail) -> None:
        waiting: asyncio.Future[object] = action.token
        if waiting.done():
            return
        if isinstance(action, Answer):
            waiting.set_result(action.told)
        else:
            waiting.set_exception(action.error)

    def _link_for(self, channel: str) -> Link:
        slot = choose(channel, self._slots)
        if slot is None and len(self._slots) < self._options.max_sockets:
            slot = self._open()
        if slot is None:
            per = self._options.subscriptions_per_socket
            raise FullError(
                f"all {len(self._slots)} sockets carry as many channels as they may ({per} each); "
                "raise max_sockets, or subscriptions_per_socket together with the gateway's max_subscriptions"
            )
        return slot.link

    def _open(self) -> Slot:
        backoff = Backoff(self._options.backoff, self._rng)
        fail_back_s = self._options.fail_back_s
        route = Route(self._urls, backoff, fail_back_s=fail_back_s, renewable=self._token.renewable)
        session = Session(self._rng, self._counts, request_timeout_s=self._options.request_timeout_s)
        times = Times(self._options.ping_interval_s, self._options.ping_timeout_s)
        link = Link(next(self._numbers), self, session, route, self._dialer, times)
        link.capacity = self._capacity
        slot = Slot(link, self._options.subscriptions_per_socket)
        self._slots.append(slot)
        if self._sweep is None:
            self._sweep = self._loop.call_later(self._options.idle_s / 2, self._close_idle)
        return slot

    def _move(self, link: Link, full: Full) -> None:
        """Carry a channel by another socket: this one may take no more."""
        link.capacity = full.held
        feed = self._feed(link, full.track.channel)
        if feed is None:
            return
        try:
            feed.link = self._link_for(feed.channel)
        except FullError as error:
            del self._feeds[feed.channel]
            feed.end(error)
            return
        feed.link.session.subscribe(full.track, self._loop.time())
        feed.link.work_soon()

    def _close_idle(self) -> None:
        now = self._loop.time()
        self._sweep = self._loop.call_later(self._options.idle_s / 2, self._close_idle) if self._slots else None
        for link in self.links:
            if not link.session.idle:
                link.idle_since = None
            elif link.idle_since is None:
                link.idle_since = now
            elif now - link.idle_since >= self._options.idle_s / 2:
                self._slots = [slot for slot in self._slots if slot.link is not link]
                closing = self._loop.create_task(link.close(GoneError("the socket was idle")))
                self._closings.add(closing)
                closing.add_done_callback(self._closings.discard)


def network_returned(links: Sequence[Link]) -> None:
    """Tell links that wait to connect."""
    for link in links:
        link.network_returned()


async def _room(full: list[Buffer]) -> None:
    for buffer in full:
        await buffer.room()
