"""Read log files of a lab."""

from __future__ import annotations

from pathlib import Path


def tail(path: Path, lines: int = 3) -> str:
    """Return the last lines of a log in one line of text; empty if there is none."""
    if not path.exists():
        return ""
    return " / ".join(line.strip() for line in path.read_text(errors="replace").splitlines()[-lines:] if line.strip())


def after(path: Path, offset: int) -> str:
    """Return what stands behind an offset, in bytes; empty if the file does not exist."""
    if not path.exists():
        return ""
    with path.open("rb") as log:
        log.seek(offset)
        return log.read().decode(errors="replace")
