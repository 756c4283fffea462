"""The database: made and brought up to date by itself, read without writing, refused with a sentence."""

from __future__ import annotations

import gc
import os
import resource
import sqlite3
import threading

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect

from plumbline.deployment.core.errors import (
    ConflictError,
    CorruptError,
    FullError,
    InvalidError,
    UnavailableError,
)
from plumbline.deployment.registry import Registry
from plumbline.deployment.registry import database as database_module
from plumbline.deployment.registry.database import SCHEMA, Database
from plumbline.deployment.registry.migrations.upgrade import configured
from plumbline.deployment.registry.tables import METADATA


def differences(database: Database) -> list[object]:
    with database.reading() as connection:
        return list(compare_metadata(MigrationContext.configure(connection), METADATA))


def test_the_migrations_make_exactly_the_tables_that_the_code_uses(registry):
    assert differences(registry.database) == []
    assert ScriptDirectory.from_config(configured()).get_current_head() == SCHEMA


def test_the_migrations_can_be_undone():
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        command.upgrade(configured(connection), "head")
        command.downgrade(configured(connection), "base")
        assert inspect(connection).get_table_names() == ["alembic_version"]
    engine.dispose()


def test_sqlite_keeps_a_log_and_syncs_every_commit(registry):
    with registry.database.reading() as connection:
        asked = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")
        }
    assert asked == {"journal_mode": "wal", "synchronous": 2}  # FULL


def test_a_newer_schema_is_refused(registry, tmp_path):
    with registry.database.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(InvalidError, match="has schema 9999, and this version knows 0001: use a newer plumbline"):
        Registry.open(tmp_path / "registry")


def test_read_only_reads_and_refuses_to_write(ship, registry, tmp_path):
    made = ship(b"1")
    with Registry.open(tmp_path / "registry", read_only=True) as reader:
        assert reader.get("churn", "1.0.0").digest == made.digest
        assert reader.verify().damages == ()
        with pytest.raises(UnavailableError, match="was opened for reading only"):
            reader.move("churn", "production", to="1.0.0", expect=None, by="ada", why="x")
        with pytest.raises(UnavailableError, match="was opened for reading only"):
            reader.collect(keep_promoted=1)


def test_a_registry_on_a_disk_that_cannot_be_written_is_read(ship, registry, tmp_path, monkeypatch):
    ship(b"1")
    registry.close()
    monkeypatch.setattr(os, "access", lambda *_: False)
    with Registry.open(tmp_path / "registry", read_only=True) as reader:
        assert reader.models() == ("churn",)


def test_a_process_that_may_let_no_file_grow_reads_a_registry_whose_log_is_empty(ship, registry, tmp_path, monkeypatch):
    ship(b"1")
    registry.close()
    (tmp_path / "registry" / "registry.db-wal").touch()  # as a reader that was the last to close leaves it
    monkeypatch.setattr(resource, "getrlimit", lambda _: (0, 0))
    before = sorted((tmp_path / "registry").iterdir())
    with Registry.open(tmp_path / "registry", read_only=True) as reader:
        assert reader.models() == ("churn",)
    assert sorted((tmp_path / "registry").iterdir()) == before


def test_what_is_no_registry_is_told(tmp_path):
    with pytest.raises(UnavailableError, match=r"holds no registry \(registry.db is missing\)"):
        Registry.open(tmp_path / "nothing", read_only=True)
    sqlite3.connect(tmp_path / "registry.db").close()
    with pytest.raises(UnavailableError, match="holds no registry of this version: open it once for writing"):
        Registry.open(tmp_path, read_only=True)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UnavailableError, match="the registry cannot be made"):
        Registry.open(tmp_path / "file" / "registry")
    gc.collect()


def test_a_damaged_database_is_told_from_a_busy_one(tmp_path):
    (tmp_path / "registry.db").write_bytes(b"this is no database, whatever its name says" * 100)
    with pytest.raises(CorruptError, match=r"registry\.db: file is not a database; restore it from a backup"):
        Registry.open(tmp_path)


def test_urls_that_name_no_database_are_refused_and_passwords_never_shown(tmp_path):
    with pytest.raises(InvalidError, match="in Postgres, not in 'mysql'") as told:
        Registry.open("mysql://ada:secret@host/db", tmp_path)
    assert "secret" not in str(told.value.as_dict())
    with pytest.raises(InvalidError, match="name it"):
        Registry.open("postgresql://host/db")
    with pytest.raises(InvalidError, match="is no database URL") as told:
        Registry.open("://ada:secret@host", tmp_path)
    assert "secret" not in str(told.value.as_dict())


def test_an_unreachable_postgres_is_told_without_its_password(tmp_path):
    with pytest.raises(UnavailableError, match="postgresql://ada:") as told:
        Registry.open("postgresql://ada:secret@127.0.0.1:1/db", tmp_path)
    assert "secret" not in str(told.value.as_dict())
    assert told.value.as_dict()["reason"] == "unavailable"


def test_a_writer_that_waits_too_long_is_told(registry, tmp_path, monkeypatch, ship):
    ship(b"1")
    monkeypatch.setattr(database_module, "WAIT_S", 0.05)
    with Registry.open(tmp_path / "registry") as other, registry.database.writing():
        assert other.models() == ("churn",)  # readers never wait
        with pytest.raises(
            UnavailableError, match=r"another process has been writing for more than 0\.05 s; try again"
        ):
            other.lease("churn", "deployment 1", 30)


def test_a_full_disk_changes_nothing(registry, ship):
    ship(b"1")
    with registry.database.reading() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(FullError, match="is full; nothing was changed"):
        registry.move("churn", "production", to="1.0.0", expect=None, by="ada", why="long " * 5000)
    assert registry.aliases("churn") == {}
    assert registry.history("churn") == ()


def test_a_damaged_rule_of_the_code_itself_is_no_unavailable_database(registry, ship):
    ship(b"1")
    from sqlalchemy.exc import IntegrityError

    with pytest.raises(IntegrityError), registry.database.writing() as connection:
        connection.exec_driver_sql("INSERT INTO aliases VALUES ('churn', 'x', '9.9.9')")


def test_threads_share_a_registry(registry, ship):
    ship(b"1")
    won: list[str] = []

    def mover(name: str) -> None:
        try:
            registry.move("churn", "production", to="1.0.0", expect=None, by=name, why="race")
            won.append(name)
        except ConflictError:
            pass

    threads = [threading.Thread(target=mover, args=(f"t{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [move.by for move in registry.history("churn")] == won
    assert len(won) == 1
