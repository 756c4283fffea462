"""End in order when the process is asked to end, so that every `with` cleans up."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def orderly(farewell: Callable[[], None]) -> Iterator[None]:
    """Turn SIGINT, SIGTERM and SIGHUP into `SystemExit(128 + signal)` while the block runs (main thread only).

    Args:
        farewell: Called when such a signal has ended the block, after everything in it was cleaned up.
    """
    left = False

    def leave(number: int, frame: FrameType | None) -> None:
        nonlocal left
        del frame
        left = True
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_IGN)  # once is enough: the clean-up is under way
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, leave) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if left:
            farewell()
