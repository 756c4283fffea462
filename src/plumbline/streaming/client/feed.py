"""One channel of the client: a single subscription at the gateway, however many readers it has here."""

from __future__ import annotations

from collections.abc import Iterator

from plumbline.streaming.client.actions import Live
from plumbline.streaming.client.buffer import Buffer
from plumbline.streaming.client.events import Event
from plumbline.streaming.client.inlet import Inlet
from plumbline.streaming.client.link import Link
from plumbline.streaming.core.broker import Position
from plumbline.streaming.core.commands import Mode


class Feed:
    """A channel and its readers.

    Args:
        channel: Its name.
        link: Which socket carries it.
    """

    def __init__(self, channel: str, link: Link) -> None:
        self.channel = channel
        self.link = link
        self._readers: dict[Inlet, tuple[Mode, bool]] = {}
        self._live: Live | None = None

    def __len__(self) -> int:
        return len(self._readers)

    @property
    def mode(self) -> Mode:
        """The newest message is enough if it is for every reader."""
        enough = all(mode is Mode.LATEST for mode, _ in self._readers.values())
        return Mode.LATEST if enough else Mode.ALL

    @property
    def join(self) -> bool:
        """Whether any reader wants to be present."""
        return any(join for _, join in self._readers.values())

    @property
    def position(self) -> Position | None:
        """Where the channel stands here; None before the first answer."""
        track = self.link.session.reading.track(self.channel)
        return track.position if track is not None and self._live is not None else None

    def add(self, inlet: Inlet, mode: Mode, *, join: bool) -> None:
        """Take in a reader; what comes from now on is its."""
        self._readers[inlet] = (mode, join)
        position = self.position
        if position is not None:
            inlet.live(Live(self.channel, position, None), joined_late=True)

    def remove(self, inlet: Inlet) -> None:
        """Let a reader go."""
        self._readers.pop(inlet, None)

    def went_live(self, live: Live) -> None:
        """Tell the readers who wait for it that the subscription stands."""
        first, self._live = self._live is None, live
        for inlet in tuple(self._readers):
            inlet.live(live, joined_late=not first)

    def give(self, event: Event) -> int:
        """Give an event to all readers; return how many events their policies dropped for it."""
        dropped = 0
        for inlet in tuple(self._readers):
            before = inlet.buffer.drops
            inlet.take(event)
            dropped += inlet.buffer.drops - before
        return dropped

    def full(self) -> Iterator[Buffer]:
        """Return the buffers that hold up the socket."""
        return (inlet.buffer for inlet in self._readers if inlet.buffer.full)

    def end(self, error: BaseException) -> None:
        """End all readers."""
        for inlet in tuple(self._readers):
            inlet.end(error)
        self._readers.clear()
