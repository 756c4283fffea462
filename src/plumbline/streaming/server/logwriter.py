"""Write log lines without ever waiting for whoever reads them.

A pipe that nobody reads is full after 64 KiB, and the next write to it would hold the event loop, and with it every
client. So a thread of its own writes; what it does not get rid of is forgotten, and counted.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque

MOST_LINES = 8192  # that wait: some 2 MiB
LINE_BYTES = 4096
FLUSH_S = 1.0


class LogWriter(logging.Handler):
    """Hands lines over to a thread.

    Args:
        fd: Where they are written: stderr.
        most: Lines that may wait.
    """

    def __init__(self, fd: int = 2, most: int = MOST_LINES) -> None:
        super().__init__()
        self.dropped = 0  # lines that were forgotten
        self._told = 0  # of them, those that the log itself speaks of
        self._fd = fd
        self._most = most
        self._lines: deque[bytes] = deque()
        self._there = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        threading.Thread(target=self._write_on, name="log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Queue one line."""
        if len(self._lines) >= self._most:
            self.dropped += 1
            return
        try:
            line = self.format(record).encode(errors="replace")
        except Exception:  # noqa: BLE001 - a line that cannot be made must not end what it speaks of
            self.handleError(record)
            return
        self._lines.append(line if record.exc_info else line[:LINE_BYTES])
        if not self._there.is_set():
            self._idle.clear()
            self._there.set()

    def flush(self) -> None:
        """Wait until all is written, a second at most."""
        self._idle.wait(FLUSH_S)

    def _write_on(self) -> None:
        while True:
            self._there.wait()
            self._there.clear()
            while self._lines:
                batch = b"".join(self._lines.popleft() + b"\n" for _ in range(min(256, len(self._lines))))
                self._write(batch + self._gap())
            self._idle.set()
            if self._lines:  # one came meanwhile
                self._idle.clear()

    def _gap(self) -> bytes:
        """Return the line that says that lines are missing."""
        missing = self.dropped - self._told
        if not missing:
            return b""
        self._told += missing
        when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
        return f"{when}.000Z WARNING plumbline.gateway log lines dropped lines={missing}\n".encode()

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BlockingIOError:  # somebody made it non-blocking
                time.sleep(0.05)
            except OSError:  # closed: there is nobody to tell
                return
