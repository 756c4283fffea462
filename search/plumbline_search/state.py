"""Where the search keeps what it makes, below the folder that all of Plumbline shares."""

from __future__ import annotations

import hashlib
from pathlib import Path

from plumbline.catalogue import Catalogue, state_folder


def index_home(catalogue: Catalogue) -> Path:
    """Return the folder of a catalogue's indexes: each catalogue has its own, under its name and a hash of its path."""
    root = catalogue.root.resolve()
    key = hashlib.sha256(str(root).encode()).hexdigest()[:8]
    return state_folder() / "index" / f"{root.name or 'root'}-{key}"


def gaps_file() -> Path:
    """Return the file that queries without a guide are recorded in."""
    return state_folder() / "search-gaps.jsonl"
