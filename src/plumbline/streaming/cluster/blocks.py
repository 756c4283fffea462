"""What one stored NATS message holds: a block of a channel's messages that were published together. Pure.

The header `Plumb` says which: `<birth> <offset>` for one message, whose body is its JSON text; `<birth> <offset>
<bytes>,<bytes>…` for several, whose texts follow each other in the body; `<birth> <offset> 0` for none: a mark that the
channel begins (or goes on) after this offset. `birth` is made up when the channel begins, and is never used again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from plumbline.streaming.core.broker import Entry
from plumbline.streaming.core.tracing import Traced, trace_of

HEADER = "Plumb"
TRACES = "Plumb-Traces"
"""Header of the messages' W3C trace contexts, comma-separated and in order, empty for those without; there only if one
of them has one."""
_FORM = re.compile(r"([0-9a-f]{4,32}) ([0-9]{1,19})(?: ([0-9,]+))?")


class ForeignError(ValueError):
    """The message was not written by a gateway."""


@dataclass(frozen=True, slots=True)
class Block:
    """Messages of one channel without a hole.

    Args:
        birth: The channel's.
        before: Offset of the message before the first one here.
        texts: Their JSON texts in order; empty for a mark.
    """

    birth: str
    before: int
    texts: tuple[bytes, ...]

    @property
    def last(self) -> int:
        """Offset after this block."""
        return self.before + len(self.texts)

    def entries(self, after: int) -> list[Entry]:
        """Return its messages with an offset beyond `after`."""
        skip = max(0, after - self.before)
        return [Entry(self.before + 1 + index, self.texts[index]) for index in range(skip, len(self.texts))]


@dataclass(frozen=True, slots=True)
class Head:
    """Where a channel stands in a stream.

    Args:
        birth: The channel's.
        offset: Of its newest message; 0 before the first.
        sequence: Of the newest stored NATS message of the channel: what the next one must follow.
    """

    birth: str
    offset: int
    sequence: int


def mark(birth: str, offset: int) -> str:
    """Return the header of a mark: the channel stands at this offset."""
    return f"{birth} {offset} 0"


def header(birth: str, before: int, texts: Sequence[bytes]) -> str:
    """Return the header of a block of at least one message; its body is the texts joined."""
    if len(texts) == 1:
        return f"{birth} {before + 1}"
    return f"{birth} {before + 1} {','.join(str(len(text)) for text in texts)}"


def traces(texts: Sequence[bytes]) -> str:
    """Return the header of the texts' traces; empty if there is none."""
    found = [trace_of(text) or "" for text in texts]
    return ",".join(found) if any(found) else ""


def with_traces(block: Block, value: str | None) -> Block:
    """Return the block with its texts' traces, if the header names one for each."""
    found = (value or "").split(",")
    if value is None or len(found) != len(block.texts):
        return block
    return replace(block, texts=tuple(Traced.of(text, trace) for text, trace in zip(block.texts, found, strict=True)))


def read(value: str | None, body: bytes) -> Block:
    """Return the block of a stored message.

    Raises:
        ForeignError: Header or body are not of that form.
    """
    found = _FORM.fullmatch(value or "")
    if found is None:
        raise ForeignError(f"a message with the header {HEADER}={value!r} is not a gateway's")
    birth, offset, lengths = found[1], int(found[2]), found[3]
    if lengths == "0":
        return Block(birth, offset, ())
    if offset == 0:
        raise ForeignError("offsets begin with 1")
    if lengths is None:
        return Block(birth, offset - 1, (body,))
    return Block(birth, offset - 1, _split(body, lengths))


def _split(body: bytes, lengths: str) -> tuple[bytes, ...]:
    texts, at = [], 0
    for length in lengths.split(","):
        if not length or int(length) == 0:
            raise ForeignError("a block has texts of at least one byte")
        texts.append(body[at : at + int(length)])
        at += int(length)
    if at != len(body):
        raise ForeignError(f"a block of {len(body)} bytes says that it has {at}")
    return tuple(texts)
