"""A scripted service: what a real one answers only under load, after a crash or in five minutes, here comes at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Page, Request, Route

GUIDE = "/troubleshooting/streaming/slow-consumer/"
Answer = Callable[[Route], None]


def result(status: str) -> dict[str, Any]:
    """One judgement of the slow-consumer diagnostic, in the shape of plumbline.report/1."""
    red = status != "ok"
    limit = {
        "value": 0.8,
        "unit": "1",
        "source": "judgement: room for a burst",
        "name": "fullest queue",
        "text": "80 %",
    }
    share = 0.98 if red else 0.01
    return {
        "id": "streaming.slow-consumer",
        "question": "Is one slow consumer holding memory?",
        "target": "lab",
        "status": status,
        "reason": "threshold" if red else None,
        "sentence": f"The fullest of 40 queues is {share:.0%} full; the limit is 80 %.",
        "measures": [
            {"name": "fullest_queue", "value": share, "unit": "1", "text": f"{share:.0%}", "limit": limit},
            {"name": "connections", "value": 40, "unit": "{connection}", "text": "40 connections", "limit": None},
        ],
        "cause": "stalled-reader" if red else None,
        "impact": "Everybody on the channel waits." if red else None,
        "next": ["Run `plumb gateway set overflow=disconnect`."] if red else [],
        "guide": GUIDE,
        "started_at": "2026-11-23T01:00:00Z",
        "duration_s": 0.1,
        "reads": ["the gateway's admin socket: queues"],
    }


def events(status: str) -> list[dict[str, Any]]:
    """The events of a run that ends with this status."""
    one = result(status)
    report = {
        "schema": "plumbline.report/1",
        "target": "lab",
        "worst": status,
        "complete": True,
        "started_at": one["started_at"],
        "duration_s": 0.1,
        "results": [one],
    }
    return [
        {"event": "run.started", "ids": [one["id"]], "target": "lab"},
        {"event": "check.started", "id": one["id"]},
        {"event": "check.finished", "result": one},
        {"event": "run.finished", "report": report},
    ]


def sse(numbered: list[tuple[int, dict[str, Any]]]) -> str:
    """Events as a server sends them."""
    lines = [f"id: {number}\nevent: {one['event']}\ndata: {json.dumps(one)}\n\n" for number, one in numbered]
    return "retry: 3000\n\n: hello\n\n" + "".join(lines)


@dataclass
class Service:
    """Answers /api/ of one page as scripted, and remembers what was asked."""

    page: Page
    statuses: list[str] = field(default_factory=lambda: ["critical"])
    asked: list[Request] = field(default_factory=list)
    on_start: list[Answer] = field(default_factory=list)
    on_events: list[Answer] = field(default_factory=list)
    targets: Answer | None = None

    def install(self) -> None:
        """Stand between the page and whatever serves it."""
        self.page.route("**/api/**", self.answer)

    def paths(self, method: str) -> list[str]:
        """Return the paths that were asked with a method, in order."""
        return [one.url.split("/api/")[1] for one in self.asked if one.method == method]

    def answer(self, route: Route) -> None:
        """Answer one request."""
        self.asked.append(route.request)
        path = route.request.url.split("/api/")[1]
        if path == "session":
            route.fulfill(json={"token": f"token-{len(self.asked)}"})
        elif path == "targets":
            (self.targets or _targets)(route)
        elif path.endswith("/events"):
            self._events(route)
        elif route.request.method == "POST":
            self._start(route)
        elif route.request.method == "DELETE":
            route.fulfill(status=202, json={"run": "r1", "cancelled": True})
        else:
            route.fulfill(json=events(self.statuses[0])[-1]["report"])

    def _start(self, route: Route) -> None:
        if self.on_start:
            self.on_start.pop(0)(route)
            return
        base = "/api/diagnostics/runs/r1"
        route.fulfill(status=202, json={"run": "r1", "events": f"{base}/events", "report": base})

    def _events(self, route: Route) -> None:
        if self.on_events:
            self.on_events.pop(0)(route)
            return
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        stream(route, list(enumerate(events(status), 1)))


def stream(route: Route, numbered: list[tuple[int, dict[str, Any]]]) -> None:
    """Send events and end the stream."""
    route.fulfill(headers={"Content-Type": "text/event-stream"}, body=sse(numbered))


def refusal(status: int, sentence: str, **headers: str) -> Answer:
    """Return an answer that refuses in the service's one shape."""
    body = {"error": {"code": "x", "sentence": sentence, "hint": "try later"}}
    return lambda route: route.fulfill(status=status, json=body, headers=headers)


def _targets(route: Route) -> None:
    route.fulfill(json={"targets": ["lab", "production"], "default": "lab"})


@pytest.fixture
def service(page: Page) -> Service:
    one = Service(page)
    one.install()
    return one


@pytest.fixture
def guide(static_site: str, page: Page, service: Service) -> Page:
    """The slow-consumer guide, on a page whose service is scripted and whose clock is the test's."""
    page.clock.install()
    page.goto(static_site + GUIDE)
    return page


@pytest.fixture
def scripts() -> Any:
    """The functions above: test folders are no packages, so tests cannot import them."""
    from types import SimpleNamespace

    return SimpleNamespace(events=events, stream=stream, refusal=refusal)
