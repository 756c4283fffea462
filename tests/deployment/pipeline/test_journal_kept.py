"""The journal keeps what it is told: the same in SQLite and in a real Postgres, started for these tests."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest
from deployers import plan

from plumbline.deployment.core.errors import ConflictError, FencedError, NotFoundError, UnavailableError
from plumbline.deployment.pipeline import ledger
from plumbline.deployment.pipeline.journal import Journal

NUMBERS = itertools.count()


@pytest.fixture(params=["sqlite", "postgres"])
def place(request, quick_folder):
    """Where a journal is to be; nothing is there yet."""
    if request.param == "sqlite":
        return str(quick_folder / "deployments.db")
    return request.getfixturevalue("postgres")(f"journal{next(NUMBERS)}")


@pytest.fixture
def journal(place):
    journal = Journal(place)
    yield journal
    journal.close()


def test_what_is_written_is_there_for_whoever_opens_it_next(journal, place) -> None:
    first = journal.begin(plan(), ("run", {"pid": 1}))
    second = journal.begin(plan(model="fraud", why="ünïcode: ✓"))
    journal.append(first.id, "build", "intent", {"shares": {"a": 0.5}}, epoch=2**40, digest="sha256:" + "b" * 64)
    journal.append(first.id, "build", "done", {"result": "ok"}, epoch=2**40, ended="promoted")
    again = Journal(place, read_only=True)
    assert [one.id for one in again.deployments()] == [second.id, first.id]
    assert [one.id for one in again.deployments(running=True)] == [second.id]
    assert again.deployments("churn") == [again.get(first.id)]
    assert (again.get(first.id).ended, again.get(second.id).plan) == ("promoted", second.plan)
    lines = again.entries(first.id)
    assert [(one.seq, one.step, one.kind) for one in lines] == [
        (1, "run", "note"),
        (2, "build", "intent"),
        (3, "build", "done"),
    ]
    assert (lines[1].epoch, lines[1].digest, lines[1].data) == (2**40, "sha256:" + "b" * 64, {"shares": {"a": 0.5}})
    again.close()


def test_one_that_is_not_there_yet_holds_nothing_for_a_reader_and_is_not_made(place) -> None:
    if "://" not in place:
        Journal(place).close()  # SQLite has no empty place to read
    reader = Journal(place, read_only=True)
    assert reader.deployments() == []
    reader.close()


def test_an_older_epoch_is_refused_and_what_is_over_and_what_is_not_known(journal) -> None:
    one = journal.begin(plan())
    journal.append(one.id, "build", "intent", {}, epoch=4)
    with pytest.raises(FencedError, match="epoch 4 has written, this deployer has 3"):
        journal.append(one.id, "build", "done", {}, epoch=3)
    journal.append(one.id, "build", "failed", {"result": "fail"}, epoch=4, ended="rejected")
    with pytest.raises(ConflictError, match="is over: rejected"):
        journal.append(one.id, "test", "intent", {}, epoch=5)
    for ask in (lambda: journal.get("x-1"), lambda: journal.append("x-1", "build", "intent", {})):
        with pytest.raises(NotFoundError, match="there is no deployment 'x-1'"):
            ask()


def test_deployers_that_write_at_once_leave_no_gap_and_take_no_line_twice(place) -> None:
    with ThreadPoolExecutor(4) as deployers:
        journals = list(deployers.map(Journal, [place] * 4))  # all make the tables
        begun = list(deployers.map(lambda one: one.begin(plan()).id, journals))
        written = list(
            deployers.map(lambda one: [one.append(begun[0], "stop", "note", {}).seq for _ in range(5)], journals)
        )
    assert sorted(begun) == [f"churn-{number}" for number in range(1, 5)]
    assert sorted(itertools.chain(*written)) == list(range(1, 21))
    assert [one.seq for one in journals[0].entries(begun[0])] == list(range(1, 21))
    for one in journals:
        one.close()


def test_a_writer_that_waits_too_long_is_told_and_readers_never_wait(journal, place, monkeypatch) -> None:
    one = journal.begin(plan())
    monkeypatch.setattr(ledger, "WAIT_S", 0.05)
    other = Journal(place)
    with journal._ledger.writing():
        assert [found.id for found in other.deployments()] == [one.id]
        with pytest.raises(UnavailableError, match=r"another process has been writing for more than 0\.05 s"):
            other.begin(plan())
    other.close()


def test_what_fails_on_the_way_leaves_nothing_behind(journal) -> None:
    with pytest.raises(TypeError):
        journal.begin(plan(), ("run", {"no": object()}))
    assert journal.deployments() == []


def test_a_postgres_that_does_not_answer_is_told(tmp_path) -> None:
    with pytest.raises(UnavailableError, match="cannot be used"):
        Journal(f"postgresql://plumb@/none?host={tmp_path}")
