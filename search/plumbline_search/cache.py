"""Embeddings by content: what was embedded once is not embedded again."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path

import numpy as np

from plumbline_search.vectors import Vectors

FILE = "embeddings.sqlite"


class EmbeddingCache:
    """A file of embeddings under (model, text); a crash loses at most the batch that was being written.

    Args:
        path: The file; made when it is missing, and made anew when it is damaged.
        model: Checksum of the weights.
    """

    def __init__(self, path: Path, model: str) -> None:
        self._path = path
        self._model = model
        try:
            self._prepare()
        except sqlite3.DatabaseError:
            path.unlink(missing_ok=True)
            self._prepare()

    def get(self, digests: Iterable[str]) -> dict[str, tuple[Vectors, str]]:
        """Return (embedding, program that made it) for each text that is known."""
        found: dict[str, tuple[Vectors, str]] = {}
        with closing(self._open()) as database:
            for digest in digests:
                row = database.execute(
                    "SELECT vector, made_by FROM embedding WHERE model = ? AND text = ?", (self._model, digest)
                ).fetchone()
                if row:
                    found[digest] = (np.frombuffer(row[0], dtype=np.float32), row[1])
        return found

    def put(self, vectors: Mapping[str, Vectors], made_by: str) -> None:
        """Store embeddings, all or none of them."""
        rows = [
            (self._model, digest, vector.astype(np.float32).tobytes(), made_by) for digest, vector in vectors.items()
        ]
        with closing(self._open()) as database, database:
            database.executemany("INSERT OR REPLACE INTO embedding VALUES (?, ?, ?, ?)", rows)

    def keep(self, digests: Iterable[str]) -> None:
        """Forget what no text of the corpus needs any more."""
        with closing(self._open()) as database, database:
            database.execute("CREATE TEMP TABLE needed (text TEXT PRIMARY KEY)")
            database.executemany("INSERT OR IGNORE INTO needed VALUES (?)", ((digest,) for digest in digests))
            database.execute(
                "DELETE FROM embedding WHERE model != ? OR text NOT IN (SELECT text FROM needed)", (self._model,)
            )

    def _prepare(self) -> None:
        with closing(self._open()) as database, database:
            database.execute(
                "CREATE TABLE IF NOT EXISTS embedding"
                " (model TEXT, text TEXT, vector BLOB NOT NULL, made_by TEXT NOT NULL,"
                " PRIMARY KEY (model, text)) WITHOUT ROWID"
            )
            database.execute("SELECT model, text, vector, made_by FROM embedding LIMIT 1")

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=10)
