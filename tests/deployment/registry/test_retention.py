"""What a collection takes, and what it never takes."""

from __future__ import annotations

import pytest

from plumbline.deployment.core.errors import InvalidError, NotFoundError
from plumbline.deployment.registry.blobs import LEFT_OVER_S
from plumbline.deployment.registry.retention import WEEK_S


@pytest.fixture
def five(ship, registry, clock):
    """1.0.0 to 1.0.4; all but the last were in production, and 1.0.3 is."""
    for number in range(5):
        ship(b"weights %d" % number)
        if number < 4:
            expect = f"1.0.{number - 1}" if number else None
            registry.move("churn", "production", to=f"1.0.{number}", expect=expect, by="ada", why="better")
    clock.now += WEEK_S + 1


def left(registry) -> list[str]:
    return sorted(one.version for one in registry.versions("churn") if one.collected_at is None)


def test_the_last_promoted_the_highest_and_what_aliases_point_at_stay(registry, five):
    registry.move("churn", "champion", to="1.0.1", expect=None, by="ada", why="keep")
    taken = registry.collect(keep_promoted=1)
    assert taken.versions == (("churn", "1.0.0"), ("churn", "1.0.2"))
    assert left(registry) == ["1.0.1", "1.0.3", "1.0.4"]
    assert (len(taken.blobs), taken.size) == (2, 2 * len(b"weights 0"))
    assert registry.verify().damages == ()


def test_two_promoted_are_two_different_versions(registry, five):
    for to, expect in (("1.0.2", "1.0.3"), ("1.0.3", "1.0.2"), ("1.0.2", "1.0.3")):
        registry.move("churn", "production", to=to, expect=expect, by="ada", why="back and forth")
    registry.collect(keep_promoted=3)
    assert left(registry) == ["1.0.1", "1.0.2", "1.0.3", "1.0.4"]


def test_what_an_alias_pointed_at_is_kept_after_the_alias_is_gone(registry, five):
    registry.move("churn", "production", to=None, expect="1.0.3", by="ada", why="off")
    registry.collect(keep_promoted=1)
    assert left(registry) == ["1.0.3", "1.0.4"]


def test_a_dry_run_says_the_same_and_takes_nothing(registry, five):
    said = registry.collect(keep_promoted=2, dry_run=True)
    assert len(left(registry)) == 5
    assert registry.collect(keep_promoted=2) == said
    assert registry.collect(keep_promoted=2, dry_run=True).versions == ()


def test_nothing_goes_while_a_deployer_is_at_work(registry, five, clock):
    lease = registry.lease("churn", "deployment 7", 60)
    assert registry.collect(keep_promoted=1).kept == {"churn": "deployment 7"}
    assert len(left(registry)) == 5
    registry.release(lease)
    assert registry.collect(keep_promoted=1).versions != ()


def test_young_versions_stay_also_when_the_clock_was_put_back(registry, five, clock):
    clock.now -= 2 * WEEK_S
    assert registry.collect(keep_promoted=1).versions == ()


def test_a_collected_version_is_known_but_cannot_be_used_until_it_is_registered_again(registry, five, ship, tmp_path):
    registry.collect(keep_promoted=1)
    assert registry.get("churn", "1.0.0").collected_at is not None
    with pytest.raises(NotFoundError, match=r"churn 1\.0\.0: its files were collected; register it again"):
        registry.materialise("churn", "1.0.0", tmp_path / "out")
    with pytest.raises(NotFoundError, match=r"its files were collected on 2026-11-25; register it again"):
        registry.move("churn", "production", to="1.0.0", expect="1.0.3", by="ada", why="back")
    back = ship(b"weights 0")
    assert (back.version, back.fresh) == ("1.0.0", False)
    assert registry.materialise("churn", "1.0.0", tmp_path / "out").is_dir()


def test_a_file_taken_while_it_is_registered_again_is_put_again(registry, five, ship, monkeypatch):
    put, blobs = registry.blobs.put, registry.blobs

    def overtaken(source, **given):
        blob = put(source, **given)
        monkeypatch.setattr(blobs, "put", put)
        blobs.delete(blob.digest)
        return blob

    registry.collect(keep_promoted=1)
    monkeypatch.setattr(blobs, "put", overtaken)
    ship(b"weights 0")
    assert registry.verify().damages == ()


def test_files_without_a_version_go_when_nobody_can_be_writing_them(registry, five, tmp_path):
    (tmp_path / "orphan").write_bytes(b"registered half way")
    orphan = registry.blobs.put(tmp_path / "orphan").digest
    written = registry.blobs.path(orphan).stat().st_mtime
    registry._clock = lambda: written + 1
    assert orphan not in registry.collect(keep_promoted=5).blobs
    registry._clock = lambda: written + LEFT_OVER_S + 1
    assert registry.collect(keep_promoted=5).blobs == (orphan,)


def test_the_way_back_cannot_be_given_up(registry):
    for given in ({"keep_promoted": 0}, {"keep_promoted": 1, "younger_than_s": -1}):
        with pytest.raises(InvalidError, match="there must be a way back"):
            registry.collect(**given)
