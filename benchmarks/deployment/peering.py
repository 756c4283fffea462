"""Peers are installed in environments of their own under .plumbline/peers/, never beside Plumbline."""

import subprocess
import sys
from pathlib import Path

from common import ROOT, say

PEERS = ROOT / ".plumbline" / "peers"


class MissingPeerError(Exception):
    """A peer cannot be had here; the text says why."""


def environment(name: str, *requirements: str) -> Path:
    """Return the interpreter of a peer's environment, which is made if it is not there or holds something else.

    Raises:
        MissingPeerError: It cannot be installed.
    """
    folder = PEERS / name
    python, stamp, wanted = folder / "bin" / "python", folder / "installed", "\n".join(requirements)
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        say(f"installing {', '.join(requirements)} in {folder.relative_to(ROOT)}")
        _run([sys.executable, "-m", "venv", "--clear", str(folder)])
        _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements])
        stamp.write_text(wanted, encoding="utf-8")
    return python


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().rpartition("\n")[2]
        raise MissingPeerError(f"it cannot be installed here: {last}")
