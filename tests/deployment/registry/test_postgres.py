"""The same registry in a real Postgres: started for these tests, on a socket of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from registry_processes import ran
from small_artefacts import AGE, LOOKING, artefact

from plumbline.deployment.core.errors import ConflictError, FencedError, UnavailableError
from plumbline.deployment.core.signature import Feature
from plumbline.deployment.registry import Registry
from plumbline.deployment.registry import database as database_module

PLAN = Feature("plan", "string", required=False, default="basic")


@pytest.fixture(scope="module")
def url(postgres) -> str:
    return postgres("registry")


@pytest.fixture
def registry(url, tmp_path) -> Iterator[Registry]:
    with Registry.open(url, tmp_path / "blobs") as opened:
        with opened.database.writing() as connection:
            connection.exec_driver_sql("TRUNCATE versions, files, signatures, aliases, moves, leases")
        yield opened


def two(registry: Registry, folder: Path) -> None:
    for content, inputs in ((b"1", (AGE,)), (b"2", (AGE, PLAN))):
        manifest, files = artefact(folder / "made", content, inputs)
        registry.register(manifest, files, by="ada", looking=LOOKING)


def test_versions_aliases_and_history_are_as_in_sqlite(registry, tmp_path):
    two(registry, tmp_path)
    assert [one.version for one in registry.versions("churn")] == ["1.1.0", "1.0.0"]
    first = registry.move("churn", "production", to="1.0.0", expect=None, by="ada", why="first")
    second = registry.move("churn", "production", to="1.1.0", expect="1.0.0", by="bob", why="better")
    assert second.id > first.id
    with pytest.raises(ConflictError, match="bob moved it"):
        registry.move("churn", "production", to="1.1.0", expect="1.0.0", by="eve", why="late")
    assert registry.history("churn") == (first, second)
    assert registry.get("churn", registry.get("churn", "production").digest[:16]).version == "1.1.0"
    assert registry.materialise("churn", "production", tmp_path / "out").is_dir()
    assert registry.verify().damages == ()


def test_leases_fence_and_collections_take_as_in_sqlite(registry, tmp_path):
    two(registry, tmp_path)
    old = registry.lease("churn", "deployment 1", 30)
    assert registry.collect(keep_promoted=1, younger_than_s=0).kept == {"churn": "deployment 1"}
    new = registry.lease("churn", "deployment 2", 30, take_over=True)
    with pytest.raises(FencedError):
        registry.renew(old, 30)
    assert registry.release(new)
    assert registry.collect(keep_promoted=1, younger_than_s=0).versions == (("churn", "1.0.0"),)


def test_the_migrations_make_exactly_the_tables_that_the_code_uses(registry):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from plumbline.deployment.registry.tables import METADATA

    with registry.database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


def test_of_four_processes_that_move_an_alias_at_once_exactly_one_wins(registry, url, tmp_path):
    manifest, files = artefact(tmp_path / "made", b"1")
    registry.register(manifest, files, by="ada", looking=LOOKING)
    manifest, files = artefact(tmp_path / "made", b"2")
    registry.register(manifest, files, by="ada", looking=LOOKING)
    assert ran("racing.py", url, tmp_path / "blobs", 5).split() == ["1"] * 5
    assert len(registry.history("churn")) == 5


def test_a_writer_that_waits_too_long_is_told_and_readers_never_wait(registry, url, tmp_path, monkeypatch):
    monkeypatch.setattr(database_module, "WAIT_S", 0.05)
    with Registry.open(url, tmp_path / "blobs") as other, registry.database.writing():
        assert other.models() == ()
        with pytest.raises(UnavailableError, match=r"another process has been writing for more than 0\.05 s"):
            other.lease("churn", "deployment 1", 30)
