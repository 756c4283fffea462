"""Where a journal is kept: its tables in SQLite or Postgres, one writer at a time, and what is wrong told in words."""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    inspect,
    text,
)
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.pool import NullPool

from plumbline.deployment.core.errors import ConflictError, FullError, InvalidError, UnavailableError
from plumbline.deployment.registry.pooling import closed_at_fork, lasting

WAIT_S = 5.0
"""How long a writer waits for another one, and anybody for a database that does not answer."""

_LOCK = 0x706C756D62_6A  # of Postgres: whoever holds it writes

TABLES = MetaData()
DEPLOYMENTS = Table(
    "deployments",
    TABLES,
    Column("id", String(64), primary_key=True),
    Column("model", String(128), nullable=False, index=True),
    Column("plan", Text, nullable=False),
    Column("at", Float(53), nullable=False),
    Column("number", Integer, nullable=False, unique=True),  # order of beginning, whatever clocks say
    Column("ended", String(16)),
)
ENTRIES = Table(
    "entries",
    TABLES,
    Column("deployment", String(64), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("step", String(32), nullable=False),
    Column("kind", String(8), nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("digest", String(71), nullable=False),
    Column("at", Float(53), nullable=False),
    Column("data", Text, nullable=False),
)


class Ledger:
    """The tables of a journal.

    Args:
        url: A file for SQLite, or `postgresql://…`.
        read_only: Make nothing.

    Raises:
        InvalidError: It is no such place.
        UnavailableError: It cannot be opened.
    """

    def __init__(self, url: str, *, read_only: bool) -> None:
        self._url = url
        self._engine = _engine(url, read_only=read_only)
        with _told():
            self.empty = read_only and not inspect(self._engine).has_table(DEPLOYMENTS.name)
            if not read_only:
                self._prepare()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection for reads.

        Raises:
            UnavailableError: It cannot be reached.
        """
        with _told(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give the only connection that writes now; what it writes is on the disk when the block ends.

        Raises:
            UnavailableError: It cannot be reached, or another process has been writing for longer than `WAIT_S`.
            FullError: The disk is full.
            ConflictError: Another line of that number is there.
        """
        with _told(), self._engine.begin() as connection:
            if self._engine.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                _alone(connection)
            yield connection

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def _prepare(self) -> None:
        if inspect(self._engine).has_table(ENTRIES.name):
            return
        if self._engine.dialect.name == "sqlite":
            with _first(Path(self._url).expanduser()), self._engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")  # kept in the file
                TABLES.create_all(connection)
            return
        with self._engine.begin() as connection:
            _alone(connection)  # two that make a table at once meet in Postgres' own tables
            TABLES.create_all(connection)


@contextmanager
def _first(path: Path) -> Iterator[None]:
    """Let one process at a time make the tables of a file."""
    try:
        with path.with_name(f"{path.name}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise UnavailableError(f"{path}: {error.strerror}; deployments cannot be journalled") from error


def _alone(connection: Connection) -> None:
    connection.execute(text(f"SET LOCAL lock_timeout = {int(WAIT_S * 1000)}"))
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        raise ConflictError(f"the journal took another line first: {error.orig}") from error
    except DBAPIError as error:
        said = str(error.orig).strip().splitlines()[0]
        if "locked" in said or "lock timeout" in said:
            said = f"another process has been writing for more than {WAIT_S:g} s ({said})"
        kind = FullError if "full" in said or "No space" in said else UnavailableError
        raise kind(f"the journal of deployments cannot be used: {said}") from error


def _engine(url: str, *, read_only: bool) -> Engine:
    if "://" in url:
        if not url.startswith(("postgresql://", "postgres://")):
            raise InvalidError("a journal lives in a file (SQLite) or in Postgres")
        address, patience = "postgresql+psycopg://" + url.partition("://")[2], {"connect_timeout": int(WAIT_S)}
        return closed_at_fork(create_engine(address, pool_pre_ping=True, connect_args=patience))
    path = Path(url).expanduser()
    if read_only:
        where = f"{path.absolute().as_uri()}?mode=ro"
        return create_engine(
            "sqlite://", poolclass=NullPool, creator=lambda: sqlite3.connect(where, uri=True, timeout=WAIT_S)
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnavailableError(f"{path.parent}: {error.strerror}; deployments cannot be journalled") from error
    return lasting(f"{path.absolute().as_uri()}?mode=rwc", WAIT_S)
