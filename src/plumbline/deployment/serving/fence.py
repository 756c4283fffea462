"""The fencing epoch: whoever deploys with a newer one has replaced all before; remembered across `kill -9`."""

from __future__ import annotations

import os
from pathlib import Path

from plumbline.deployment.core.errors import CorruptError, FencedError, UnavailableError


class Fence:
    """Keeps the highest epoch seen.

    Args:
        path: File of the epoch; None keeps it in memory only (a server without an admin socket).

    Raises:
        CorruptError: The file holds no epoch: somebody else wrote it.
        UnavailableError: It cannot be read.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.epoch = 0 if path is None else _read(path)

    def pass_(self, epoch: int) -> None:
        """Let a command in; a newer epoch is on the disk when this returns.

        Raises:
            FencedError: A newer deployer has been here.
            UnavailableError: The epoch cannot be written; the command must not be carried out.
        """
        if epoch < self.epoch:
            raise FencedError(
                f"epoch {epoch} is older than {self.epoch}: another deployer has taken over",
                epoch=epoch,
                highest=self.epoch,
            )
        if epoch > self.epoch:
            if self._path is not None:
                _write(self._path, epoch)
            self.epoch = epoch


def _read(path: Path) -> int:
    try:
        text = path.read_text().strip()
    except FileNotFoundError:
        return 0
    except (OSError, UnicodeDecodeError) as error:
        raise UnavailableError(f"{path}: the highest epoch cannot be read: {error}", path=str(path)) from error
    if not text.isdecimal():
        raise CorruptError(
            f"{path} holds no epoch but {text[:40]!r}; remove it if no deployer is at work", path=str(path)
        )
    return int(text)


def _write(path: Path, epoch: int) -> None:
    fresh = path.with_name(path.name + ".new")
    try:
        file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(file, b"%d\n" % epoch)
            os.fsync(file)
        finally:
            os.close(file)
        fresh.replace(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise UnavailableError(f"{path}: epoch {epoch} cannot be written: {error.strerror}", path=str(path)) from error
