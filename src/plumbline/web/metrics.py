"""Counters of the app, in a registry of its own."""

from __future__ import annotations

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Metrics:
    """What /metrics shows: requests by route kind and status, their duration, runs by status."""

    def __init__(self, active_runs: Callable[[], int]) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "plumbline_http_requests", "Requests answered", ["kind", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "plumbline_http_request_seconds", "Time until the answer began", ["kind"], registry=self.registry
        )
        self.findings = Counter("plumbline_findings", "Findings by status", ["status"], registry=self.registry)
        runs = Gauge("plumbline_runs_active", "Runs of diagnostics under way", registry=self.registry)
        runs.set_function(active_runs)


class Measured:
    """ASGI middleware that counts and times every request."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Time one request until its answer begins (streams last longer by design)."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        kind = kind_of(Request(scope).url.path)

        async def send_and_count(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.metrics.requests.labels(kind, str(message["status"])).inc()
                self.metrics.seconds.labels(kind).observe(time.perf_counter() - began)
            await send(message)

        await self.app(scope, receive, send_and_count)


def kind_of(path: str) -> str:
    """Return the kind of a path, so that the label has few values whatever is asked for."""
    for kind in ("search", "suggest", "diagnostics", "targets", "session"):
        if path.startswith(f"/api/{kind}"):
            return kind
    return "api" if path.startswith("/api/") else "site"
