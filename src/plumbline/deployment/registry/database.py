"""The registry's database: SQLite in a folder by default, Postgres by URL. One writer at a time in both."""

from __future__ import annotations

import fcntl
import os
import resource
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, DBAPIError, IntegrityError, OperationalError

from plumbline.deployment.core.errors import CorruptError, DeploymentError, FullError, InvalidError, UnavailableError
from plumbline.deployment.registry.pooling import closed_at_fork, lasting

SCHEMA = "0001"
"""The newest migration that this code knows."""

WAIT_S = 5.0
"""How long a writer waits for another one before it says that the registry is busy, in seconds."""

DATABASE = "registry.db"

_LOCK = 0x706C756D62  # "plumb": the advisory lock of a registry's writers in its Postgres database


class Database:
    """Connections to one registry's database.

    Args:
        url: A folder for SQLite, or `postgresql://…`.
        read_only: Refuse to write, and make nothing.

    Raises:
        InvalidError: The URL names no database that is known here, or it has a newer schema.
        UnavailableError: It cannot be reached or opened.
    """

    def __init__(self, url: str, *, read_only: bool = False) -> None:
        self.read_only = read_only
        self.shown = _shown(url)
        self._folder = None if "://" in url else Path(url).expanduser()
        self.engine = _postgres(url) if self._folder is None else _sqlite(self._folder, read_only=read_only)
        weakref.finalize(self, self.engine.dispose)
        try:
            self._prepare()
        except DeploymentError:
            self.engine.dispose()
            raise

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def writable(self) -> None:
        """Check that it was opened for writing.

        Raises:
            UnavailableError: It was not.
        """
        if self.read_only:
            raise UnavailableError(f"{self.shown} was opened for reading only", url=self.shown)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection for reads: one moment's view.

        Raises:
            UnavailableError: The database cannot be reached.
            CorruptError: Its file is damaged.
        """
        with self._told(), self.engine.connect() as connection:
            if self._folder is None:
                connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                if self._folder is not None:
                    connection.exec_driver_sql("BEGIN")
                yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give the only connection that writes now. What it writes is kept when the block ends, or nothing of it.

        Raises:
            UnavailableError: It cannot be reached, is busy for longer than `WAIT_S`, or the registry is read-only.
            FullError: The disk is full.
            CorruptError: Its file is damaged.
        """
        self.writable()
        with self._told(), self.engine.begin() as connection:
            self._alone(connection)
            yield connection

    def _alone(self, connection: Connection) -> None:
        if self._folder is not None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # take the lock now, not when it is too late to wait for it
        else:
            connection.execute(text(f"SET LOCAL lock_timeout = {int(WAIT_S * 1000)}"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except IntegrityError:
            raise
        except DBAPIError as error:
            raise self._unusable(error) from error

    def _unusable(self, error: DBAPIError) -> DeploymentError:
        said = str(error.orig).strip().partition("\n")[0]
        if "is full" in said or "No space" in said:
            return FullError(f"{self.shown}: {said}; nothing was changed", url=self.shown)
        if "locked" in said or "lock timeout" in said:
            return UnavailableError(
                f"{self.shown}: another process has been writing for more than {WAIT_S:g} s; try again", url=self.shown
            )
        if self._folder is not None and isinstance(error, DatabaseError) and not isinstance(error, OperationalError):
            return CorruptError(f"{self._folder / DATABASE}: {said}; restore it from a backup", url=self.shown)
        return UnavailableError(f"{self.shown}: {said}", url=self.shown)

    def _prepare(self) -> None:
        """Bring an old or empty database to the newest schema; refuse a newer one."""
        if self._usable():
            return
        if self.read_only:
            raise UnavailableError(
                f"{self.shown} holds no registry of this version: open it once for writing", url=self.shown
            )
        from plumbline.deployment.registry.migrations.upgrade import upgrade

        with self._first(), self._told():
            if self._usable():
                return  # another process has done it while this one waited
            if self._folder is not None:
                with self.engine.connect() as connection:
                    connection.exec_driver_sql("PRAGMA journal_mode=WAL")  # kept in the file
            with self.writing() as connection:
                upgrade(connection)

    def _usable(self) -> bool:
        with self.reading() as connection:
            found = _schema(connection)
        if found is not None and found > SCHEMA:
            raise InvalidError(
                f"{self.shown} has schema {found}, and this version knows {SCHEMA}: use a newer plumbline", found=found
            )
        return found == SCHEMA

    @contextmanager
    def _first(self) -> Iterator[None]:
        """Let one process at a time make the tables; Postgres's own lock does it there."""
        if self._folder is None:
            yield
            return
        with (self._folder / f"{DATABASE}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _schema(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def _sqlite(folder: Path, *, read_only: bool) -> Engine:
    path = folder / DATABASE
    if read_only and not path.is_file():
        raise UnavailableError(f"{folder} holds no registry ({DATABASE} is missing)", url=str(folder))
    if not read_only:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UnavailableError(
                f"{folder}: {error.strerror}; the registry cannot be made", url=str(folder)
            ) from error
    mode = "rwc"
    if read_only:  # where nothing can be written, there is no other writer to look out for
        mode = "ro" if _shared(folder) else "ro&immutable=1"
    return lasting(f"{path.absolute().as_uri()}?mode={mode}", WAIT_S)


def _shared(folder: Path) -> bool:
    """Return whether a reader takes part in SQLite's locking: for that it writes to a small file of its own.

    A process that may let no file grow (a diagnostic) can only where another has the database open. It needs to only
    where the log holds something; else all is in the database itself.
    """
    growing = resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 0
    log = folder / f"{DATABASE}-wal"
    return os.access(folder, os.W_OK) and (growing or (log.exists() and log.stat().st_size > 0))


def _postgres(url: str) -> Engine:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise InvalidError(f"'{_shown(url)}' is no database URL: expected a folder, or postgresql://…") from error
    if parsed.get_backend_name() != "postgresql":
        raise InvalidError(
            f"a registry lives in a folder (SQLite) or in Postgres, not in '{parsed.get_backend_name()}'",
            url=_shown(url),
        )
    return closed_at_fork(
        create_engine(
            parsed.set(drivername="postgresql+psycopg"), pool_pre_ping=True, connect_args={"connect_timeout": 5}
        )
    )


def _shown(url: str) -> str:
    """Return the URL without its password."""
    if "://" not in url:
        return url
    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return url.partition("://")[0] + "://…"
