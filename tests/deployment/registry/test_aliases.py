"""Aliases move by compare-and-set; leases give a rising epoch; both remember who was there."""

from __future__ import annotations

import pytest

from plumbline.deployment.core.errors import ConflictError, FencedError, InvalidError, NotFoundError


@pytest.fixture
def two(ship):
    ship(b"1")
    ship(b"2")


def moved(registry, to, expect, **given):
    return registry.move("churn", "production", to=to, expect=expect, **{"by": "ada", "why": "because", **given})


def test_an_alias_moves_if_it_points_where_the_mover_believes(registry, two, clock):
    moved(registry, "1.0.0", None)
    clock.now += 60
    second = moved(registry, "1.0.1", "1.0.0", by="bob", why="better")
    assert registry.aliases("churn") == {"production": "1.0.1"}
    assert (second.source, second.target, second.by, second.why) == ("1.0.0", "1.0.1", "bob", "better")
    assert registry.history("churn") == registry.history("churn", "production")
    assert [(one.by, one.at) for one in registry.history("churn")] == [("ada", clock.now - 60), ("bob", clock.now)]


def test_who_believes_something_else_is_told_who_was_there_and_when(registry, two, clock):
    moved(registry, "1.0.0", None)
    with pytest.raises(
        ConflictError, match=r"points at 1\.0\.0, not at nothing: ada moved it on 2026-11-18 at"
    ) as told:
        moved(registry, "1.0.1", None, by="bob")
    assert told.value.as_dict() | {"error": ""} == {
        "reason": "conflict",
        "error": "",
        "model": "churn",
        "alias": "production",
        "expected": None,
        "found": "1.0.0",
        "moved_by": "ada",
        "moved_at": clock.now,
    }
    with pytest.raises(ConflictError, match=r"alias 'candidate' of churn points at nothing, not at 1\.0\.0\. Look"):
        registry.move("churn", "candidate", to="1.0.1", expect="1.0.0", by="bob", why="x")
    assert len(registry.history("churn")) == 1


def test_an_alias_may_point_at_what_another_points_at_and_be_taken_away(registry, two):
    registry.move("churn", "candidate", to="1.0.1", expect=None, by="ada", why="try")
    assert moved(registry, "candidate", None).target == "1.0.1"
    gone = registry.move("churn", "candidate", to=None, expect="1.0.1", by="ada", why="done")
    assert (gone.source, gone.target) == ("1.0.1", None)
    assert registry.aliases("churn") == {"production": "1.0.1"}


def test_history_is_in_order_though_the_clock_goes_backwards(registry, two, clock):
    moved(registry, "1.0.0", None)
    clock.now -= 3600
    moved(registry, "1.0.1", "1.0.0")
    assert [one.target for one in registry.history("churn")] == ["1.0.0", "1.0.1"]


@pytest.mark.parametrize("alias", ["Production", "1st", "", "a b", "latest", "x" * 65])
def test_names_that_mislead_are_no_aliases(registry, two, alias):
    with pytest.raises(InvalidError, match="cannot be an alias"):
        registry.move("churn", alias, to="1.0.0", expect=None, by="ada", why="x")


def test_a_move_needs_a_name_a_reason_and_a_version_that_is_there(registry, two):
    for missing in ({"by": ""}, {"why": "  "}):
        with pytest.raises(InvalidError, match="is empty: the history must say it"):
            moved(registry, "1.0.0", None, **missing)
    with pytest.raises(NotFoundError, match=r"has no '9\.9\.9'"):
        moved(registry, "9.9.9", None)
    assert registry.history("churn") == ()


def test_each_lease_has_a_higher_epoch(registry):
    first = registry.lease("churn", "deployment 1", 30)
    assert registry.release(first)
    second = registry.lease("churn", "deployment 2", 30)
    assert (first.epoch, second.epoch) == (1, 2)
    assert registry.leased("churn") == second
    assert registry.leased("fraud") is None
    assert not registry.release(first)


def test_a_running_lease_is_refused_to_others_and_a_stale_one_is_taken(registry, clock):
    registry.lease("churn", "deployment 1", 30)
    with pytest.raises(
        ConflictError, match="is being deployed by deployment 1, whose lease runs for 30 s more"
    ) as told:
        registry.lease("churn", "deployment 2", 30)
    assert told.value.data["holder"] == "deployment 1"
    clock.now += 31
    assert registry.leased("churn") is None
    assert registry.lease("churn", "deployment 2", 30).epoch == 2


def test_the_same_holder_gets_it_anew_at_once_and_anybody_by_taking_over(registry):
    assert registry.lease("churn", "deployment 1", 30).epoch == 1
    assert registry.lease("churn", "deployment 1", 30).epoch == 2
    assert registry.lease("churn", "deployment 2", 30, take_over=True).epoch == 3


def test_a_lease_is_renewed_until_another_has_taken_it(registry, clock):
    mine = registry.lease("churn", "deployment 1", 30)
    clock.now += 20
    mine = registry.renew(mine, 30)
    assert mine.expires_at == clock.now + 30
    clock.now += 40
    mine = registry.renew(mine, 30)  # run out, but nobody took it
    clock.now += 40
    registry.lease("churn", "deployment 2", 30)
    with pytest.raises(FencedError, match="epoch 1 of churn is over: deployment 2 has taken over with epoch 2"):
        registry.renew(mine, 30)


def test_a_clock_that_was_put_back_makes_no_lease_longer(registry, clock):
    registry.lease("churn", "deployment 1", 30)
    clock.now -= 86400
    with pytest.raises(ConflictError, match="runs for 30 s more"):
        registry.lease("churn", "deployment 2", 30)


def test_a_replaced_deployer_moves_nothing(registry, two):
    old = registry.lease("churn", "deployment 1", 30)
    new = registry.lease("churn", "deployment 2", 30, take_over=True)
    with pytest.raises(FencedError):
        moved(registry, "1.0.0", None, epoch=old.epoch)
    assert moved(registry, "1.0.0", None, epoch=new.epoch).epoch == 2
    with pytest.raises(InvalidError, match="epoch 9 of churn was never given: the last is 2"):
        moved(registry, "1.0.1", "1.0.0", epoch=9)
    with pytest.raises(InvalidError, match="epoch 1 of fraud was never given"):
        registry.move("fraud", "production", to="1.0.0", expect=None, by="ada", why="x", epoch=1)


@pytest.mark.parametrize("ttl_s", [0, -1, 3601, float("nan")])
def test_a_lease_runs_for_a_time_that_makes_sense(registry, ttl_s):
    with pytest.raises(InvalidError, match="a lease runs for more than 0 and at most 3600 s"):
        registry.lease("churn", "deployment 1", ttl_s)
