"""The gateway's vital numbers as server-sent events: one look a second, shared by all who watch the same target."""

from __future__ import annotations

import json
from collections.abc import Callable

from fastapi import APIRouter
from starlette.responses import Response, StreamingResponse

from plumbline.diagnosis.targets import DEFAULT, TargetError, resolve
from plumbline.evidence import Endpoint
from plumbline.streaming.probes.adminclient import AdminError
from plumbline.streaming.probes.live import Look, as_json, between, look
from plumbline.web.diagnostics_api import check_target
from plumbline.web.errors import Refusal
from plumbline.web.watching import Shared, closing

PERIOD_S = 1.0
WATCHERS = 32  # pages at one time, of all targets together


class Gauge(Shared):
    """Looks at one target as long as somebody watches.

    Args:
        target: Its name.
        read: Returns a look at the target; called in a thread.
        period_s: Time between two looks, in seconds.
    """

    def __init__(self, target: str, read: Callable[[], Look], period_s: float = PERIOD_S) -> None:
        super().__init__(self._event, period_s)
        self.target = target
        self._read = read
        self._before: Look | None = None

    def _event(self) -> str:
        try:
            now = self._read()
            body = {"target": self.target, "workers": as_json(between(self._before, now))}
            self._before = now
        except (AdminError, TargetError, Refusal) as error:
            body = {"target": self.target, "absent": said(error)}
            self._before = None
        return f"event: look\ndata: {json.dumps(body)}\n\n"


def routes() -> APIRouter:
    """Return the routes under /api/streaming."""
    api = APIRouter(prefix="/api/streaming", tags=["streaming"])
    gauges: dict[str, Gauge] = {}

    @api.get("/live", response_class=StreamingResponse)
    async def live(target: str = "lab") -> Response:
        """Connections, rates, loop lag and queue fill of each worker as SSE, once a second."""
        check_target(target)
        if sum(gauge.watchers for gauge in gauges.values()) >= WATCHERS:
            sentence = f"{WATCHERS} pages watch already"
            raise Refusal(429, "too_many_watchers", sentence, "close one of them", retry_after_s=5)
        gauge = gauges.setdefault(target, Gauge(target, lambda: look_at(target)))
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(closing(gauge.follow()), media_type="text/event-stream", headers=headers)

    return api


def look_at(target: str) -> Look:
    """Look at a target of the server's configuration.

    Raises:
        Refusal: It has no admin socket.
        TargetError: It is gone from the configuration, or there is no lab.
        AdminError: No gateway answers.
    """
    endpoint = resolve(target)
    if endpoint == Endpoint(name=DEFAULT):
        raise Refusal(422, "no_lab", "no lab is running", "`plumb up` starts one unless it is told --no-lab")
    if endpoint.admin is None:
        sentence = f"the target '{target}' names no admin socket"
        raise Refusal(422, "no_admin", sentence, 'add admin = "PATH" to it in plumbline.toml')
    return look(endpoint.admin)


def said(error: Exception) -> str:
    """Return what is wrong, and what to do if that is known."""
    return f"{error.sentence}; {error.hint}" if isinstance(error, Refusal) else str(error)
