"""Where Plumbline keeps what it makes: the one function for the path."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "PLUMBLINE_STATE"


def state_folder() -> Path:
    """Return the folder for indexes (`index/`), state files of labs (`labs/`) and recorded gaps of the search.

    `$PLUMBLINE_STATE`, else `.plumbline` of the checkout, else `~/.local/state/plumbline` (`$XDG_STATE_HOME`).
    """
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named).expanduser().resolve()
    checkout = Path(__file__).resolve().parents[3]
    if (checkout / "pyproject.toml").is_file() and (checkout / "docs").is_dir():
        return checkout / ".plumbline"
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "plumbline"
