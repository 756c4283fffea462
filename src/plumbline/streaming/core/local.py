"""The broker of a single process: channels, history and members in its own memory, every answer at once. No I/O."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from plumbline.streaming.core.broker import BrokerError, Member, Past, Position, Receiver
from plumbline.streaming.core.history import Bounds, History
from plumbline.streaming.core.idempotency import Keys
from plumbline.streaming.core.roster import Roster
from plumbline.streaming.core.settings import Settings


class _Stream:
    __slots__ = ("attached", "bounds", "history")

    def __init__(self, epoch: str, bounds: Bounds) -> None:
        self.history = History(epoch)
        self.bounds = bounds
        self.attached = False


class LocalBroker:
    """Keeps everything in this process; it ends with it.

    Args:
        settings: Bounds of history, keys and channels, and the channels' rules.
        epoch: Text that no other run used.
        clock: Returns seconds that only grow.
    """

    def __init__(self, settings: Settings, epoch: str, clock: Callable[[], float]) -> None:
        self._epoch = epoch
        self._clock = clock
        self._made = 0
        self._receiver: Receiver | None = None
        self._streams: dict[str, _Stream] = {}
        self._unread: OrderedDict[str, None] = OrderedDict()  # not attached, longest first
        self._kept: OrderedDict[str, History] = OrderedDict()  # with history, published to longest ago first
        self.history_bytes = 0  # memory that kept messages take, with all that holds them
        self._keys = Keys(settings.idempotency_s, settings.idempotency_keys)
        self._roster = Roster(settings.presence_refresh_s)
        self._settings = settings
        self._rules = settings.rules()

    def __len__(self) -> int:
        return len(self._streams)

    async def start(self, receiver: Receiver) -> None:
        """Begin to work."""
        self._receiver = receiver

    async def stop(self) -> None:
        """Send nothing any more; what is kept stays, for a start to come."""
        self._receiver = None
        for channel, stream in self._streams.items():
            if stream.attached:
                stream.attached = False
                self._unread[channel] = None

    def configure(self, settings: Settings) -> None:
        """Take over changed settings at once, for what is kept too."""
        self._settings = settings
        self._rules = settings.rules()
        self._keys.window_s, self._keys.most = settings.idempotency_s, settings.idempotency_keys
        self._roster.refresh_s = settings.presence_refresh_s
        now = self._clock()
        self._keys.trim(now)
        for channel, stream in self._streams.items():
            stream.bounds = Bounds.of(self._rules.of(channel))
            before = stream.history.cost
            stream.history.trim(stream.bounds, now)
            self._count(channel, stream.history, before)
        self._limit()
        self._forget(keep=None)

    def attach(self, channel: str, done: Callable[[Position | BrokerError], None]) -> None:
        """Send me what is published in this channel."""
        stream = self._stream(channel)
        stream.attached = True
        self._unread.pop(channel, None)
        done(stream.history.head)

    def detach(self, channel: str) -> None:
        """Send me no more of it."""
        stream = self._streams.get(channel)
        if stream is not None and stream.attached:
            stream.attached = False
            self._unread[channel] = None
            self._forget(keep=channel)

    def publish(
        self, channel: str, data: bytes, key: str | None, done: Callable[[Position | BrokerError], None]
    ) -> None:
        """Store a message and send it on, before this returns."""
        receiver = self._receiver
        if receiver is None:
            done(BrokerError("unavailable", "the broker does not run"))
            return
        now = self._clock()
        if key is not None:
            known = self._keys.find(channel, key, now)
            if known is not None:
                done(known)
                return
        stream = self._stream(channel)
        history = stream.history
        before = history.cost
        position = history.append(data, stream.bounds, now)
        self._count(channel, history, before)
        if channel in self._kept:
            self._kept.move_to_end(channel)
        self._limit()
        if key is not None:
            self._keys.add(channel, key, position, now)
        if stream.attached:
            receiver.arrived(channel, position, data)
        done(position)

    def past(
        self,
        channel: str,
        since: Position | None,
        limit: int,
        done: Callable[[Past | BrokerError], None],
        *,
        part: bool = False,
    ) -> None:
        """Return what was published."""
        stream = self._stream(channel)
        before = stream.history.cost
        past = stream.history.past(since, limit, stream.bounds, self._clock(), part=part)
        self._count(channel, stream.history, before)
        done(past)

    def head(self, channel: str, done: Callable[[Position | BrokerError], None]) -> None:
        """Return where the channel stands."""
        done(self._stream(channel).history.head)

    def join(self, channel: str, member: Member) -> None:
        """Note that this client is present."""
        self._roster.join(channel, member, self._clock())

    def leave(self, channel: str, client: str) -> None:
        """Note that it is not."""
        self._roster.leave(channel, client)

    def members(self, channel: str, done: Callable[[tuple[Member, ...] | BrokerError], None]) -> None:
        """Return who is present, longest first."""
        done(self._roster.members(channel, self._clock()))

    def _stream(self, channel: str) -> _Stream:
        stream = self._streams.get(channel)
        if stream is None:
            self._made += 1
            stream = _Stream(f"{self._epoch}.{self._made}", Bounds.of(self._rules.of(channel)))
            self._streams[channel] = stream
            self._unread[channel] = None
            self._forget(keep=channel)
        return stream

    def _count(self, channel: str, history: History, before: int) -> None:
        """Keep the sum of all histories, and which of them was published to longest ago."""
        self.history_bytes += history.cost - before
        if len(history):
            self._kept.setdefault(channel, history)
        else:
            self._kept.pop(channel, None)

    def _limit(self) -> None:
        while self.history_bytes > self._settings.history_total_bytes and self._kept:
            channel, history = next(iter(self._kept.items()))
            self.history_bytes -= history.drop_oldest()
            if not len(history):
                del self._kept[channel]

    def _forget(self, keep: str | None) -> None:
        """Forget channels that nobody reads, until there are no more than may be; the longest unread goes first."""
        while len(self._streams) > self._settings.max_channels and self._unread:
            oldest = next(iter(self._unread))
            if oldest == keep:  # all others are read
                return
            del self._unread[oldest]
            self.history_bytes -= self._streams.pop(oldest).history.cost
            self._kept.pop(oldest, None)
