"""The live numbers over HTTP: one look for all who watch, and a sentence where there is nothing to see."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import pytest
from fastapi.testclient import TestClient

from plumbline.evidence import Endpoint
from plumbline.streaming.probes.adminclient import AdminError
from plumbline.streaming.probes.live import Look
from plumbline.web import live_api
from plumbline.web.errors import Refusal
from plumbline.web.live_api import Gauge


def stats(deliveries: int) -> dict[str, object]:
    names = ("connections", "subscriptions", "queued_bytes", "fullest_queue_bytes", "resident_bytes", "loop_lag_s")
    counters = {"deliveries": deliveries, "published": 0, "accepted": 0, "closes": {}, "dropped": {}}
    return {**dict.fromkeys(names, 0), **counters, "pid": 1, "accept_queue": 0}


class Gateway:
    """Counts how often it is looked at; from the second look on it may be gone."""

    def __init__(self, gone_at: int = 0) -> None:
        self.looks = 0
        self.gone_at = gone_at

    def look(self) -> Look:
        self.looks += 1
        if self.looks == self.gone_at:
            raise AdminError("unreachable", "there is no admin socket at /x")
        return Look(float(self.looks), {"gateway": stats(self.looks * 10)})


async def seen(events: AsyncIterator[str], count: int) -> list[dict[str, object]]:
    bodies = []
    async with contextlib.aclosing(events):  # type: ignore[type-var]
        async for event in events:
            if event.startswith("event: look"):
                bodies.append(json.loads(event.split("data: ")[1]))
            if len(bodies) == count:
                break
    return bodies


def test_rates_come_with_the_second_look() -> None:
    async def main() -> None:
        gauge = Gauge("lab", Gateway().look, period_s=0.001)
        first, second = await seen(gauge.follow(), 2)
        assert first["workers"][0]["deliveries_per_s"] is None
        assert second["workers"][0]["deliveries_per_s"] > 0

    asyncio.run(main())


def test_two_who_watch_share_the_looks_and_nobody_is_looked_at_when_they_are_gone() -> None:
    async def main() -> None:
        gateway = Gateway()
        gauge = Gauge("lab", gateway.look, period_s=0.02)
        one, other = await asyncio.gather(seen(gauge.follow(), 3), seen(gauge.follow(), 3))
        assert len(one) == len(other) == 3
        assert gateway.looks <= 4
        assert gauge.watchers == 0
        looks = gateway.looks
        await asyncio.sleep(0.06)
        assert gateway.looks == looks

    asyncio.run(main())


def test_a_gateway_that_is_gone_is_told_and_looked_for_again() -> None:
    async def main() -> None:
        gauge = Gauge("lab", Gateway(gone_at=2).look, period_s=0.001)
        bodies = await seen(gauge.follow(), 3)
        assert bodies[1] == {"target": "lab", "absent": "there is no admin socket at /x"}
        assert bodies[2]["workers"][0]["deliveries_per_s"] is None

    asyncio.run(main())


def test_only_the_targets_of_the_server_may_be_named(client: TestClient) -> None:
    answer = client.get("/api/streaming/live", params={"target": "ws://10.0.0.1/"})
    assert answer.status_code == 422
    assert "is no target of this server" in answer.json()["error"]["sentence"]


def test_a_target_without_an_admin_socket_says_what_to_add(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plumbline.toml").write_text('[targets.far]\nurl = "ws://127.0.0.1:1/"\n')
    monkeypatch.setenv("PLUMBLINE_CONFIG", str(tmp_path / "plumbline.toml"))
    with pytest.raises(Refusal, match="names no admin socket"):
        live_api.look_at("far")


def test_where_no_lab_runs_that_is_said_and_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_api, "resolve", lambda name: Endpoint(name=name))

    async def main() -> None:
        (body,) = await seen(Gauge("lab", lambda: live_api.look_at("lab")).follow(), 1)
        assert body["absent"] == "no lab is running; `plumb up` starts one unless it is told --no-lab"

    asyncio.run(main())


def test_too_many_watchers_are_refused_with_a_time_to_come_back(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_api, "WATCHERS", 0)
    answer = client.get("/api/streaming/live")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "5")
