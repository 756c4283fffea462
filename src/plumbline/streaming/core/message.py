"""One message on its way to many readers: each transport's bytes are made once, when the first reader needs them."""

from __future__ import annotations

from plumbline.streaming.core import answers
from plumbline.streaming.core.broker import Position
from plumbline.streaming.core.frames import text_frame
from plumbline.streaming.core.jsontext import quoted
from plumbline.streaming.core.tracing import trace_of


class Message:
    """JSON text for readers, and its forms on the wire.

    Args:
        payload: JSON text on one line, as the client gets it.
        channel: Where it belongs. None for an answer to the client's own request, which no policy may drop.
        position: Of a published message in its channel; None for all else.
        data: What was published, as JSON text; None for all else.
        newest_only: Of its channel only the newest message matters to its readers: while it waits, a newer one takes
            its place.
    """

    __slots__ = ("_block", "_frame", "_with_trace", "channel", "data", "newest_only", "payload", "position")

    def __init__(
        self,
        payload: bytes,
        channel: str | None = None,
        position: Position | None = None,
        data: bytes | None = None,
        *,
        newest_only: bool = False,
    ) -> None:
        self.payload = payload
        self.channel = channel
        self.position = position
        self.data = data
        self.newest_only = newest_only
        self._frame: bytes | None = None
        self._block: bytes | None = None
        self._with_trace: Message | None = None

    @classmethod
    def published(cls, channel: str, position: Position, data: bytes) -> Message:
        """Return a published message; `data` is JSON text."""
        return cls(answers.message(channel, position.offset, data), channel, position, data)

    @property
    def frame(self) -> bytes:
        """The WebSocket frame."""
        if self._frame is None:
            self._frame = text_frame(self.payload)
        return self._frame

    @property
    def block(self) -> bytes:
        """The `data:` line of a server-sent event; its `id:` line is each reader's own."""
        if self._block is None:
            self._block = b"data: %b\n\n" % self.payload
        return self._block

    @property
    def with_trace(self) -> Message:
        """The same message for readers that asked for its trace, made once for all of them; itself if it has none."""
        trace = trace_of(self.data)
        if trace is None:
            return self
        if self._with_trace is None:
            payload = b'%b,"trace":%b}' % (self.payload[:-1], quoted(trace))
            self._with_trace = Message(payload, self.channel, self.position, self.data, newest_only=self.newest_only)
        return self._with_trace

    def for_newest_only(self) -> Message:
        """Return the same message, and the same bytes, for readers to whom only the newest matters."""
        other = Message(self.payload, self.channel, self.position, self.data, newest_only=True)
        other._frame, other._block = self.frame, self._block
        return other
