"""Where the search keeps what it makes: the one function for the path."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

from plumbline.catalogue import Catalogue

VARIABLE = "PLUMBLINE_STATE"


def state_folder() -> Path:
    """Return the folder for indexes and gaps: `$PLUMBLINE_STATE`, the checkout's `.plumbline`, or the user's cache."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named).expanduser().resolve()
    checkout = Path(__file__).resolve().parents[2]
    if (checkout / "pyproject.toml").is_file() and (checkout / "docs").is_dir():
        return checkout / ".plumbline"
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches/plumbline"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "plumbline"


def index_home(catalogue: Catalogue) -> Path:
    """Return the folder of a catalogue's indexes: each catalogue has its own, under its name and a hash of its path."""
    root = catalogue.root.resolve()
    key = hashlib.sha256(str(root).encode()).hexdigest()[:8]
    return state_folder() / "index" / f"{root.name or 'root'}-{key}"


def gaps_file() -> Path:
    """Return the file that queries without a guide are recorded in."""
    return state_folder() / "search-gaps.jsonl"
