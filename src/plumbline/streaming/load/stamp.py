"""What every message of a run carries, so that whoever receives it knows which one it is and when it was due.

Plain ASCII without quotes or backslashes: it stands in JSON text, in a NATS payload and in an MQTT packet alike.
"""

from __future__ import annotations

from typing import NamedTuple

MARK = b"~PL"
LENGTH = len(MARK) + 2 + 10 + 16 + 1  # mark, phase, sequence, due time, end
SMALLEST = LENGTH  # bytes
_END = b"~"


class Stamp(NamedTuple):
    """One message of the run.

    Args:
        phase: Number of the phase that sent it, 0 to 99.
        sequence: Its number in its channel, from 1.
        due_us: When it was due, in microseconds of `time.monotonic()`, which all processes of a machine share.
    """

    phase: int
    sequence: int
    due_us: int


def write(stamp: Stamp, size: int) -> bytes:
    """Return a payload of `size` bytes (at least `SMALLEST`) that carries the stamp."""
    return (b"%s%02d%010d%016d%s" % (MARK, *stamp, _END)).ljust(size, b"x")


def read(payload: bytes, start: int = 0) -> Stamp | None:
    """Return the first stamp in `payload` from `start` on; None if there is none, or it is damaged."""
    at = payload.find(MARK, start) + len(MARK)
    if at < len(MARK) or payload[at + 28 : at + 29] != _END:
        return None
    try:
        return Stamp(int(payload[at : at + 2]), int(payload[at + 2 : at + 12]), int(payload[at + 12 : at + 28]))
    except ValueError:
        return None
