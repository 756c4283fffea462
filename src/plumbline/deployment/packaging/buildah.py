"""Run an image of a layout by buildah, in a storage of its own that is gone afterwards; no daemon, no cgroups."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from plumbline.deployment.core.errors import UnavailableError

ISOLATION: Final = "chroot"
_PATIENCE_S, _GRACE_S = 600.0, 10.0


@dataclass(frozen=True, slots=True)
class Buildah:
    """A buildah with a storage of its own.

    Args:
        program: Path of the binary.
        storage: Folder of images and containers.
    """

    program: str
    storage: Path

    def version(self) -> str:
        """Return what `buildah --version` says."""
        return self._asked("--version")

    @contextmanager
    def container(self, layout: Path, tag: str) -> Iterator[str]:
        """Make a container of an image, and remove it afterwards.

        Raises:
            UnavailableError: buildah refused; its last line stands in the sentence.
        """
        # An engine takes a colon for the tag's, and refuses paths that are not absolute.
        name = self._asked("from", "--pull-never", f"oci:{layout.absolute()}:{tag}")
        try:
            yield name
        finally:
            with contextlib.suppress(UnavailableError):
                self._asked("rm", name)

    @contextmanager
    def running(
        self, container: str, user: str, command: Sequence[str], log: Path
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Run a command in a container; when the block ends it is asked to end, and then ended.

        Args:
            container: Name, as `container` gives it.
            user: `UID:GID`.
            command: Program and arguments.
            log: File for what it prints.
        """
        words = [*self._words(), "run", "--isolation", ISOLATION, "--user", user, container, "--", *command]
        with log.open("wb") as out:
            process = subprocess.Popen(words, stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True)
        try:
            yield process
        finally:
            _end(process)

    def _asked(self, *words: str) -> str:
        try:
            done = subprocess.run(
                [*self._words(), *words], capture_output=True, text=True, timeout=_PATIENCE_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UnavailableError(f"buildah {words[0]} did not end well: {error}") from error
        if done.returncode:
            last = (done.stderr.strip() or "no output").splitlines()[-1]
            raise UnavailableError(f"buildah {words[0]} failed with {done.returncode}: {last}", said=last)
        return done.stdout.strip()

    def _words(self) -> list[str]:
        return [self.program, "--root", str(self.storage / "root"), "--runroot", str(self.storage / "run")]


@contextmanager
def engine(storage: Path | None = None) -> Iterator[Buildah]:
    """Give the buildah of this machine with an empty storage, and remove the storage afterwards.

    Args:
        storage: Folder for it, a temporary one if None.

    Raises:
        UnavailableError: There is none; the sentence says what to install.
    """
    program = shutil.which("buildah")
    if program is None:
        raise UnavailableError(
            "--prove runs the image by buildah, which is not on the PATH: install it (Debian: apt-get install buildah; "
            "Fedora: dnf install buildah)"
        )
    folder = Path(tempfile.mkdtemp(prefix="plumbline-proof-", dir=storage))
    try:
        yield Buildah(program, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _end(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_S)
