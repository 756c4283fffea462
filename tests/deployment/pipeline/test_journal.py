"""Places that are no journal, a lease that is lost or renewed, and which version a rollback goes back to."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest
from deployers import MODEL, Registry

from plumbline.deployment.core.errors import FencedError, InvalidError, NotFoundError, UnavailableError
from plumbline.deployment.pipeline.journal import Journal
from plumbline.deployment.pipeline.leasing import Held
from plumbline.deployment.pipeline.recovery import target, way_back


def moves(*targets):
    return [SimpleNamespace(alias="production", source=None, target=one) for one in targets]


def test_going_back_twice_goes_back_two_versions() -> None:
    assert target(moves("1.0.0", "1.1.0", "2.0.0"), "production", "2.0.0") == "1.1.0"
    assert target(moves("1.0.0", "1.1.0", "2.0.0", "1.1.0"), "production", "1.1.0") == "1.0.0"
    with pytest.raises(NotFoundError, match="no version served before"):
        target(moves("1.0.0"), "production", "1.0.0")
    with pytest.raises(InvalidError, match="points at nothing"):
        target([], "production", None)


def test_before_the_second_version_a_way_back_is_to_stop_what_is_under_way() -> None:
    registry = SimpleNamespace(history=lambda _: moves("1.0.0"), aliases=lambda _: {"production": "1.0.0"})
    under_way = [SimpleNamespace(id="churn-2", plan=SimpleNamespace(lane=None))]
    for found, said in (
        (under_way, "plumb deployments stop churn-2, then plumb deploy PIPELINE --resume$"),
        ([], "--to$"),
    ):
        journal = SimpleNamespace(deployments=lambda _, found=found, **__: found)
        with pytest.raises(NotFoundError, match=said):
            way_back(journal, registry, "churn", by="ann", why="errors")


def test_a_journal_that_cannot_be_opened_says_why(quick_folder) -> None:
    (quick_folder / "file").write_text("no database, and no folder")
    with pytest.raises(UnavailableError, match="cannot be journalled"):
        Journal(quick_folder / "file" / "deployments.db")
    with pytest.raises(UnavailableError, match="cannot be used"):
        Journal(quick_folder / "file")
    with pytest.raises(InvalidError, match="SQLite"):
        Journal("mysql://somewhere")


def test_a_lease_is_renewed_while_it_is_held_and_its_loss_is_noticed() -> None:
    asked, taken = threading.Event(), threading.Event()

    class Watched(Registry):
        def renew(self, lease, ttl_s, /):
            if not asked.is_set():
                asked.set()
                raise UnavailableError("busy")
            try:
                return super().renew(lease, ttl_s)
            except FencedError:
                taken.set()
                raise

    registry = Watched()
    with Held(registry, MODEL, "churn-1@here", 0.01) as held:
        assert asked.wait(30)
        held.check()
        registry.epoch += 1  # somebody took over
        assert taken.wait(30)
        held._thread.join()
        with pytest.raises(FencedError):
            held.check()
