"""Deployments as they go, as server-sent events."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from asking import API, refusal
from fastapi.testclient import TestClient

from plumbline.deployment.pipeline.journal import Journal
from plumbline.web.deployment import live
from plumbline.web.errors import Refusal
from plumbline.web.watching import Shared


async def heard(events: AsyncIterator[str], until: str) -> list[tuple[str, Any]]:
    """Return what was said up to the first event of a kind."""
    found = []
    async with contextlib.aclosing(events):  # type: ignore[type-var]
        async for text in events:
            fields = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
            if "event" in fields:
                found.append((fields["event"], json.loads(fields["data"])))
                if fields["event"] == until:
                    break
    return found


def test_the_tail_of_a_journal_ends_with_the_deployment(journal: Journal, settings, monkeypatch) -> None:
    monkeypatch.setattr(live, "PERIOD_S", 0.001)
    journal.append("churn-1", "approval", "failed", {"result": "fail", "sentence": "no"}, epoch=1, ended="rejected")
    found = asyncio.run(heard(live._tail("default", "churn-1", 6, settings), "end"))
    assert [kind for kind, _ in found] == ["entry", "entry", "entry", "state", "end"]
    assert found[0][1]["seq"] == 7  # after the one that was seen last
    assert found[-1][1] == {"ended": "rejected"}


def test_lines_come_as_they_are_written(journal: Journal, settings, monkeypatch) -> None:
    monkeypatch.setattr(live, "PERIOD_S", 0.001)
    monkeypatch.setattr(live, "HEARTBEAT_S", 0.002)

    async def main() -> list[str]:
        said, quiet = [], 0
        async with contextlib.aclosing(live._tail("default", "churn-1", 8, settings)) as events:
            async for text in events:
                said.append(text)
                quiet += text.startswith(":")
                if quiet == 1:
                    journal.append("churn-1", "approval", "done", {"result": "ok", "sentence": "yes"}, epoch=1)
                    quiet += 1
                if text.startswith("id: 9"):
                    return said
        return said

    assert "event: entry" in asyncio.run(main())[-1]


def test_a_registry_that_is_gone_meanwhile_is_told(settings, home: Path, journal: Journal, monkeypatch) -> None:
    monkeypatch.setattr(live, "PERIOD_S", 0.001)

    async def main() -> dict[str, Any]:
        async with contextlib.aclosing(live._tail("default", "churn-1", 8, settings)) as events:
            async for text in events:
                if "event: state" in text:
                    body: dict[str, Any] = json.loads(text.split("data: ")[1])
                    if "absent" in body:
                        return body
                    (home / "registry.db").rename(home / "elsewhere.db")
        return {}

    assert "there is no registry" in asyncio.run(main())["absent"]
    assert "no_registry" not in live._look("gone", settings)
    assert "is shown here" in live._look("gone", settings)


def test_streams_are_refused_for_what_is_not_there_and_for_too_many(client: TestClient, journal: Journal) -> None:
    assert refusal(client.get(f"{API}/live", params={"registry": "x"})) == (404, "no_registry")
    assert refusal(client.get(f"{API}/deployments/churn-9/events")) == (404, "not_found")
    seats = live.Seats(0)
    with pytest.raises(Refusal, match="0 pages watch already"):
        seats.check()


def test_a_seat_is_free_again_when_the_reader_is_gone() -> None:
    async def one() -> AsyncIterator[str]:
        yield "a"
        yield "b"

    async def main() -> None:
        seats = live.Seats(1)
        async with contextlib.aclosing(seats.hold(one())) as events:  # type: ignore[type-var]
            assert await anext(events) == "a"
            assert seats.taken == 1
        assert seats.taken == 0

    asyncio.run(main())


def test_the_overview_is_told_at_once_and_then_only_when_it_changed() -> None:
    texts = iter(["one", "one", "one", "two", *["two"] * 10_000])

    async def main() -> None:
        shared = Shared(lambda: next(texts), 0.001, changes=True)
        async with contextlib.aclosing(shared.follow()) as events:  # type: ignore[type-var]
            assert [await anext(events) for _ in range(3)] == ["retry: 2000\n\n", "one", "two"]
            async with contextlib.aclosing(shared.follow()) as late:  # type: ignore[type-var]
                assert [await anext(late) for _ in range(2)] == ["retry: 2000\n\n", "two"]
        assert shared.watchers == 0

    asyncio.run(main())


def test_a_quiet_stream_is_kept_alive(monkeypatch) -> None:
    monkeypatch.setattr("plumbline.web.watching.HEARTBEAT_S", 0.001)

    async def main() -> None:
        shared = Shared(lambda: "one", 0.001, changes=True)
        async with contextlib.aclosing(shared.follow()) as events:  # type: ignore[type-var]
            said = [await anext(events) for _ in range(4)]
        assert ": nothing new\n\n" in said

    asyncio.run(main())
