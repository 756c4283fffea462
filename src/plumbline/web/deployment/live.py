"""Deployments as they go, as server-sent events: the overview when it changes, and the tail of one journal."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query
from starlette.responses import Response, StreamingResponse

from plumbline.web.deployment import facts, overview
from plumbline.web.deployment.registries import DEFAULT, opened, place_of
from plumbline.web.deployment.timeline import notes, timeline
from plumbline.web.errors import Refusal
from plumbline.web.settings import WebSettings
from plumbline.web.watching import HEADERS, HEARTBEAT_S, Shared, closing

PERIOD_S = 0.5
WATCHERS = 32  # pages at one time, of all registries together
RECONNECT = "retry: 2000\n\n"


class Seats:
    """How many may watch at one time."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.taken = 0

    async def hold(self, events: AsyncIterator[str]) -> AsyncIterator[str]:
        """Pass events on, and count whoever reads them."""
        self.taken += 1
        try:
            async for event in closing(events):
                yield event
        finally:
            self.taken -= 1

    def check(self) -> None:
        """Refuse one more than there is room for.

        Raises:
            Refusal: All are taken (429).
        """
        if self.taken >= self.most:
            sentence = f"{self.most} pages watch already"
            raise Refusal(429, "too_many_watchers", sentence, "close one of them", retry_after_s=5)


def add(api: APIRouter, settings: WebSettings) -> None:
    """Add the streams."""
    shared: dict[str, Shared] = {}
    seats = Seats(WATCHERS)

    def stream(events: AsyncIterator[str]) -> Response:
        return StreamingResponse(closing(seats.hold(events)), media_type="text/event-stream", headers=HEADERS)

    @api.get("/live", response_class=StreamingResponse)
    async def watch(registry: Annotated[str, Query(max_length=80)] = DEFAULT) -> Response:
        """The overview as SSE (`event: look`): at once, and whenever something changed."""
        place_of(registry, settings)
        seats.check()
        if registry not in shared:
            shared[registry] = Shared(lambda: _look(registry, settings), PERIOD_S, changes=True)
        return stream(shared[registry].follow())

    @api.get("/deployments/{deployment}/events", response_class=StreamingResponse)
    async def follow(
        deployment: Annotated[str, Path(max_length=128)],
        registry: Annotated[str, Query(max_length=80)] = DEFAULT,
        last_event_id: Annotated[int, Header(ge=0)] = 0,
    ) -> Response:
        """One deployment as SSE: `entry` for each line of its journal, `state` with its steps, `end` when it is over.

        `Last-Event-ID` goes on after a line.
        """
        seats.check()
        await asyncio.to_thread(_state, registry, deployment, settings)  # refuses what is not there
        return stream(_tail(registry, deployment, last_event_id, settings))


def _look(registry: str, settings: WebSettings) -> str:
    try:
        body = overview.look(registry, settings)
    except Refusal as refusal:  # gone from the configuration since
        body = {"registry": registry, "absent": refusal.sentence, "next": refusal.hint}
    return event("look", body)


async def _tail(registry: str, deployment: str, seen: int, settings: WebSettings) -> AsyncIterator[str]:
    yield RECONNECT
    state, quiet_s = "", 0.0
    while True:
        try:
            now, lines = await asyncio.to_thread(_state, registry, deployment, settings)
        except Refusal as refusal:  # it may be back: a database that restarts
            now, lines = {"absent": refusal.sentence}, []
        for line in lines[seen:]:
            yield event("entry", line, number=line["seq"])
        seen = max(seen, len(lines))
        text, quiet_s = event("state", now), quiet_s + PERIOD_S
        if text != state:
            yield text
            state, quiet_s = text, 0.0
        elif quiet_s >= HEARTBEAT_S:
            yield ": nothing new\n\n"
            quiet_s = 0.0
        if now.get("ended"):
            yield event("end", {"ended": now["ended"]})
            return
        await asyncio.sleep(PERIOD_S)


def _state(registry: str, deployment: str, settings: WebSettings) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    with opened(registry, settings) as place:
        one, entries = place.deployment(deployment)
    told = {"steps": timeline(one, entries), "notes": notes(entries)}
    return facts.deployment_line(one, entries) | told, list(map(facts.entry, entries))


def event(kind: str, body: dict[str, Any], number: int | None = None) -> str:
    """Return one server-sent event."""
    head = "" if number is None else f"id: {number}\n"
    return f"{head}event: {kind}\ndata: {json.dumps(body, ensure_ascii=False)}\n\n"
