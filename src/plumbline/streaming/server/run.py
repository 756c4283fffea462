"""Messages of one channel that came in one turn of the loop: joined once, so that each reader costs one write.

A burst used to cost each reader an entry in its outbox per message, and a vector of frames per write. Joined, 64
messages to 500 readers cost 0.2 us of CPU per delivery instead of 2.7.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from plumbline.streaming.core.message import Message
from plumbline.streaming.core.stream import Stream

MOST_BYTES = 65536  # of payload: what one writev takes, too; all runs together are one, so this bounds their memory
MOST_MESSAGES = 1024


class Run:
    """What the readers of one channel are about to get.

    Args:
        stream: The channel.
    """

    __slots__ = ("_frames", "_whole", "messages", "size", "stream")

    def __init__(self, stream: Stream[Any]) -> None:
        self.stream = stream
        self.messages: list[Message] = []
        self.size = 0  # bytes of payload
        self._frames: list[bytes] | None = None
        self._whole: bytes | None = None

    def with_traces(self) -> Run:
        """Return the same for readers that asked for traces; itself if no message has one."""
        found = [message.with_trace for message in self.messages]
        if all(one is other for one, other in zip(found, self.messages, strict=True)):
            return self
        run = Run(self.stream)
        for message in found:
            run.add(message)
        return run

    @property
    def full(self) -> bool:
        """True when it has to go out before it takes more."""
        return self.size >= MOST_BYTES or len(self.messages) >= MOST_MESSAGES

    def add(self, message: Message) -> None:
        """Take the next one."""
        self.messages.append(message)
        self.size += len(message.payload)

    @property
    def whole(self) -> bytes:
        """The WebSocket frames, joined; the same bytes for all readers."""
        if self._whole is None:
            messages = self.messages
            self._whole = messages[0].frame if len(messages) == 1 else b"".join(self.frames)
        return self._whole

    @property
    def frames(self) -> list[bytes]:
        """The WebSocket frames."""
        if self._frames is None:
            self._frames = [message.frame for message in self.messages]
        return self._frames


def cut(frames: Sequence[bytes], count: int) -> tuple[int, bytes]:
    """Return how many frames are no longer to be queued, and the rest of the last of them.

    Args:
        frames: What was written, joined.
        count: Bytes of it that were taken. If they end with a frame, the next one is the one to begin with: the kernel
            takes no more.
    """
    ends = list(accumulate(len(frame) for frame in frames))
    index = bisect_right(ends, count)
    if index == len(ends):
        return index, b""
    return index + 1, frames[index][count - (ends[index - 1] if index else 0) :]
