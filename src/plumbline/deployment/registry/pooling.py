"""Connections that are kept: the last one to close copies SQLite's log into its file, as dear as a write."""

from __future__ import annotations

import os
import sqlite3
import weakref
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.pool import QueuePool

_ENGINES: weakref.WeakSet[Engine] = weakref.WeakSet()


def lasting(where: str, wait_s: float) -> Engine:
    """Return an engine of a SQLite database whose idle connections are kept, and whose commits survive a power cut.

    Args:
        where: The file as SQLite's URI, with its mode.
        wait_s: How long a writer waits for another one, in seconds.
    """
    engine = create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(where, uri=True, timeout=wait_s, isolation_level=None, check_same_thread=False),
        poolclass=QueuePool,
    )
    event.listen(engine, "connect", _durable)
    return closed_at_fork(engine)


def closed_at_fork(engine: Engine) -> Engine:
    """Have an engine's idle connections closed before this process forks, and return it.

    A fork would share a socket, or SQLite's locks (sqlite.org/howtocorrupt.html, 2.6).
    """
    _ENGINES.add(engine)
    return engine


def _close_idle() -> None:
    for engine in list(_ENGINES):
        engine.dispose()


os.register_at_fork(before=_close_idle)


def _durable(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA synchronous=FULL").close()
    connection.execute("PRAGMA foreign_keys=ON").close()
