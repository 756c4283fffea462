"""All workers' metrics on the supervisor's own port, each sample with the label `worker`; and whether all are ready."""

from __future__ import annotations

import contextlib
import json
import socketserver
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from plumbline.streaming.core.address import Address
from plumbline.streaming.probes.adminclient import AdminError, ask
from plumbline.streaming.server.metrics import CONTENT_TYPE

Who = Callable[[], list[tuple[str, str, str]]]  # (name, state, admin path) of each worker
PREFIX = "plumbline_supervisor_"


def labelled(texts: Iterable[tuple[str, str]]) -> Iterator[Metric]:
    """Return the families of several expositions as one, each sample with its worker's name.

    Args:
        texts: (worker, Prometheus text format).
    """
    families: dict[str, Metric] = {}
    for worker, text in texts:
        for found in text_string_to_metric_families(text):
            family = families.setdefault(found.name, Metric(found.name, found.documentation, found.type))
            for one in found.samples:
                family.samples.append(Sample(one.name, {"worker": worker, **one.labels}, one.value))
    yield from families.values()


class _Workers(Collector):
    def __init__(self, who: Who, own: Callable[[], dict[str, float]]) -> None:
        self._who = who
        self._own = own

    def collect(self) -> Iterator[Metric]:
        workers = self._who()
        states = GaugeMetricFamily(PREFIX + "workers", "Worker processes, by state.", labels=["state"])
        for state in sorted({state for _, state, _ in workers} | {"ready"}):
            states.add_metric([state], sum(one == state for _, one, _ in workers))
        yield states
        for name, value in self._own().items():
            yield GaugeMetricFamily(PREFIX + name, "", value)
        texts = []
        for name, _, admin in workers:
            with contextlib.suppress(AdminError):  # it is starting or ending: it has no samples
                texts.append((name, ask(admin, {"get": "metrics"}, 2.0)["text"]))
        yield from labelled(texts)


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    timeout = 10.0  # for a client that says nothing

    def log_message(self, _format: str, *_args: object) -> None:
        """Say nothing: Prometheus asks every few seconds."""


class Exposition:
    """Serves `/metrics`, `/healthz` and `/readyz` from a thread of its own.

    Args:
        address: Where; port 0 takes a free one.
        who: Returns the workers; called from that thread.
        own: Returns the supervisor's own numbers by name; called from that thread.

    Raises:
        OSError: The address is taken.
    """

    def __init__(self, address: Address, who: Who, own: Callable[[], dict[str, float]]) -> None:
        self._who = who
        self._registry = CollectorRegistry()
        self._registry.register(_Workers(who, own))
        ProcessCollector(registry=self._registry)
        self._server = make_server(address.host, address.port, self._answer, _Server, _Quiet)
        self.address = address.bound(self._server.server_port)
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        status, kind, body = self._page(environ["PATH_INFO"])
        start(status, [("Content-Type", kind), ("Content-Length", str(len(body)))])
        return [body]

    def _page(self, path: str) -> tuple[str, str, bytes]:
        if path == "/metrics":
            return "200 OK", CONTENT_TYPE, generate_latest(self._registry)
        if path not in ("/healthz", "/readyz"):
            return "404 Not Found", "text/plain", b"there are /metrics, /healthz and /readyz\n"
        states = {name: state for name, state, _ in self._who()}
        ready = any(state == "ready" for state in states.values())
        status = "200 OK" if ready or path == "/healthz" else "503 Service Unavailable"
        body = json.dumps({"status": "ok" if ready else "not ready", "workers": states}).encode() + b"\n"
        return status, "application/json", body
