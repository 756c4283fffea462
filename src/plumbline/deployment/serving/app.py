"""The ASGI application: paths of the Open Inference Protocol v2, readiness and metrics; no path touches the disk."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from plumbline import __version__
from plumbline.deployment.core.errors import DeploymentError, NotFoundError, UnavailableError
from plumbline.deployment.serving import wire
from plumbline.deployment.serving.bodies import GoneError, Receive, body_of
from plumbline.deployment.serving.desk import Desk
from plumbline.deployment.serving.direct import BEGUN
from plumbline.deployment.serving.inferring import Answer, Asked, Begun, Inferring, refusal
from plumbline.deployment.serving.metrics import CONTENT_TYPE, Metrics
from plumbline.deployment.serving.readiness import Probe, Readiness
from plumbline.deployment.serving.tracing import Telemetry

Send = Callable[[dict[str, Any]], Awaitable[None]]
Scope = dict[str, Any]
JSON = b"application/json"
PATHS_LONGEST = 1024
NAME = "plumbline"


class MethodError(DeploymentError):
    """A path that is asked with another method."""

    reason = "method_not_allowed"
    status = 405


class App:
    """Answers HTTP.

    Args:
        desk: Carries out commands.
        probe: Asks golden rows.
        telemetry: Makes spans, if wanted.
    """

    def __init__(self, desk: Desk, probe: Probe, telemetry: Telemetry | None = None) -> None:
        self._desk = desk
        self._probe = probe
        self._telemetry = telemetry
        self._slots = desk.slots
        self._model = desk.options.model
        refused: dict[str, int] = {}
        self._inferring = Inferring(self._model, desk.slots, desk.recent, refused)
        self._metrics = Metrics(desk, refused)
        self.infer_path = f"/v2/models/{self._model}/infer"
        self._plain: dict[str, Callable[[], Awaitable[Answer]]] = {
            "/v2": self._server,
            "/v2/health/live": self._live,
            "/v2/health/ready": self._ready,
            "/metrics": self._exposition,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        try:
            if scope["path"] == self.infer_path and scope["method"] == "POST":
                answer = await self._infer(scope, receive, None)
            else:
                answer = await self._routed(scope, receive)
        except DeploymentError as error:
            answer = refusal(error)
        except GoneError:
            return
        content = CONTENT_TYPE if scope["path"] == "/metrics" and answer.status == 200 else JSON
        headers = [(b"content-type", content), (b"content-length", b"%d" % len(answer.body)), *answer.headers]
        if answer.version:
            headers.append((b"x-model-version", answer.version))
        if self._desk.draining:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    def begin(self, body: bytes, headers: list[tuple[bytes, bytes]]) -> Answer | Begun | None:
        """Answer an inference request that was read already, or begin to; None: call the application with it."""
        if self._desk.draining or self._telemetry is not None or len(body) > self._desk.options.max_body:
            return None
        return self._inferring.begin(body, self._asked(headers, None))

    async def _infer(self, scope: Scope, receive: Receive, ref: str | None) -> Answer:
        begun = scope.get(BEGUN)
        if begun is not None:
            return await self._inferring.finish(begun)
        asked = self._asked(scope["headers"], ref)
        options = self._desk.options
        body = await body_of(receive, options.max_body)
        if self._telemetry is None:
            return await self._inferring.answer(body, asked)
        span = self._telemetry.begin(self._model, asked.traceparent)
        answer = await self._inferring.answer(body, asked)
        self._telemetry.end(span, answer.status, answer.outcome, answer.version.decode(), answer.rows)
        return answer

    def _asked(self, headers: list[tuple[bytes, bytes]], ref: str | None) -> Asked:
        asked = Asked(ref)
        pin = None if self._slots.pin is None else self._slots.pin.encode()
        if pin is None and not self._slots.by_key and self._telemetry is None:
            return asked
        for name, value in headers:
            if name == b"x-request-key":
                asked.key = value.decode("latin-1")
            elif name == b"traceparent":
                asked.traceparent = value.decode("latin-1")
            if name == pin:
                asked.pin = value.decode("latin-1")
        return asked

    async def _routed(self, scope: Scope, receive: Receive) -> Answer:
        path, method = scope["path"], scope["method"]
        if len(path) > PATHS_LONGEST:
            raise NotFoundError("there is no such path")
        plain = self._plain.get(path.rstrip("/"))
        if plain is not None:
            _method(method, "GET")
            return await plain()
        match path.strip("/").split("/"):
            case ["v2", "repository", *rest]:
                return await self._repository(rest, method, receive)
            case ["v2", "models", model, *rest]:
                self._named(model)
                return await self._of_model(rest, method, scope, receive)
        raise NotFoundError(f"there is no path {path[:80]}", reason="unknown_path")

    async def _of_model(self, rest: list[str], method: str, scope: Scope, receive: Receive) -> Answer:
        ref: str | None = None
        if rest[:1] == ["versions"] and len(rest) > 1:
            ref, rest = rest[1], rest[2:]
        match rest:
            case []:
                _method(method, "GET")
                return self._described(ref)
            case ["ready"]:
                _method(method, "GET")
                return _readiness(await self._version_ready(ref))
            case ["infer"]:
                _method(method, "POST")
                return await self._infer(scope, receive, ref)
        raise NotFoundError(f"there is no path {scope['path'][:80]}", reason="unknown_path")

    async def _repository(self, rest: list[str], method: str, receive: Receive) -> Answer:
        _method(method, "POST")
        options = self._desk.options
        body = await body_of(receive, options.max_body)
        from plumbline.deployment.serving import repository

        match rest:
            case ["index"]:
                return Answer(200, wire.encoded(await repository.index(self._desk, body)))
            case ["models", model, "load" | "unload" as verb]:
                self._named(model)
                await (repository.load(self._desk, body) if verb == "load" else repository.unload(self._desk))
                return Answer(200, b"{}")
        raise NotFoundError("there is no such path of the repository", reason="unknown_path")

    def _described(self, ref: str | None) -> Answer:
        slot = self._slots.find(ref) if ref is not None else self._foremost()
        versions = list(dict.fromkeys(one.found.version for one in self._slots.loaded.values()))
        body = wire.metadata(self._model, [slot.found.version] if ref else versions, slot.model.signature)
        body["platform"] = f"{slot.found.manifest.format}_plumbline"
        body["parameters"] = {"digest": slot.found.digest, "version": slot.label}
        return Answer(200, wire.encoded(body), slot.header)

    def _foremost(self) -> Any:
        shares = self._slots.shares
        if not shares:
            raise UnavailableError("no version serves yet", reason="no_version", retry_after_s=1)
        return self._slots.loaded[max(shares, key=lambda key: shares[key])]

    def _named(self, model: str) -> None:
        if model != self._model:
            raise NotFoundError(f"this server has no model '{model[:80]}' but '{self._model}'", reason="unknown_model")

    async def _server(self) -> Answer:
        body = {"name": NAME, "version": __version__, "extensions": wire.EXTENSIONS}
        return Answer(200, wire.encoded(body))

    async def _live(self) -> Answer:
        return Answer(200, b'{"live":true}')

    async def _ready(self) -> Answer:
        if self._desk.draining:
            return _readiness(Readiness(False, "draining", "the server leaves; send requests elsewhere"))
        return _readiness(await self._probe.server())

    async def _version_ready(self, ref: str | None) -> Readiness:
        if ref is None:
            return await self._probe.server()
        return await self._probe.version(self._slots.find(ref))

    async def _exposition(self) -> Answer:
        return Answer(200, self._metrics.text())


def _readiness(found: Readiness) -> Answer:
    headers = [] if found.ready else [(b"retry-after", b"1")]
    return Answer(200 if found.ready else 503, wire.encoded(found.as_dict()), headers=headers)


def _method(method: str, wanted: str) -> None:
    if method != wanted and not (wanted == "GET" and method == "HEAD"):
        raise MethodError(f"this path takes {wanted}, not {method[:20]}", allow=wanted)
