"""The fencing epoch of a lane whose proxy has none: a file beside its socket, and a lock held while a command runs.

HAProxy obeys whoever can open its socket. So each deployer takes the lock, compares its epoch with the highest that was
seen, writes its own down (fsync) and keeps the lock until its command has had all of its effect: an older deployer that
wakes up late finds the newer epoch, and none of its commands can land in the middle of a newer one's. The lock of a
deployer that is killed is let go of by the kernel.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from plumbline.deployment.core.errors import CorruptError, FencedError, UnavailableError

_POLL_S = 0.01


class Fence:
    """The highest epoch that a lane has seen.

    Args:
        folder: Where the lane keeps its files; shared by all deployers of this lane, on one machine.
        patience_s: How long a command waits for another's to end, in seconds.
        clock: Seconds that only grow.
    """

    def __init__(self, folder: Path, patience_s: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = folder / "epoch"
        self._lock = folder / "epoch.lock"
        self._patience_s = patience_s
        self._clock = clock
        folder.mkdir(parents=True, exist_ok=True)

    def epoch(self) -> int:
        """Return the highest epoch seen; 0 before the first.

        Raises:
            CorruptError: The file holds something else.
        """
        try:
            text = self._file.read_text()
        except FileNotFoundError:
            return 0
        if not text.strip().isdecimal():
            raise CorruptError(
                f"{self._file} holds no epoch but '{text[:40]}'; write the registry's lease epoch into it"
            )
        return int(text)

    @contextmanager
    def held(self, epoch: int) -> Iterator[None]:
        """Let one command through.

        Raises:
            FencedError: A newer deployer has been here.
            UnavailableError: Another deployer's command does not end.
        """
        fd = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            self._take(fd)
            seen = self.epoch()
            if epoch < seen:
                raise FencedError(
                    f"a deployer with epoch {seen} has replaced this one ({epoch}); it must stop",
                    epoch=epoch,
                    seen=seen,
                )
            if epoch > seen:
                durable(self._file, f"{epoch}\n")
            yield
        finally:
            os.close(fd)

    def _take(self, fd: int) -> None:
        end = self._clock() + self._patience_s
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if self._clock() >= end:
                    raise UnavailableError(
                        f"another deployer's command holds {self._lock} for more than {self._patience_s:g} s; "
                        "find it with 'fuser' and end it if it hangs",
                        path=str(self._lock),
                    ) from None
                time.sleep(_POLL_S)
            else:
                return


def durable(path: Path, text: str) -> None:
    """Replace a small file so that a crash leaves the old text or the new one.

    Raises:
        UnavailableError: It cannot be written.
    """
    new = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        with new.open("w") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        new.replace(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise UnavailableError(f"{path}: {error.strerror}; nothing was changed", path=str(path)) from error
