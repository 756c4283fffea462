"""HTTP: `GET /api/search`, `POST /api/search` for logs, `GET /api/suggest`, `GET /api/search/status`."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal
from urllib.parse import unquote_to_bytes

from fastapi import APIRouter, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from plumbline.catalogue import Catalogue
from plumbline_search.answers import Answer
from plumbline_search.gaps import record
from plumbline_search.kinds import Kind
from plumbline_search.queries import LARGEST_LOG, LONGEST_QUESTION, MOST_RESULTS, QueryError
from plumbline_search.service import Service, UnavailableError
from plumbline_search.state import gaps_file

LARGEST_BODY = 2 * LARGEST_LOG
"""Bytes of a request's body: JSON writes a log's line ends and quotes with two characters."""
_UNAVAILABLE = 503
_CODES = {
    400: "malformed",
    413: "too_large",
    414: "too_long",
    415: "media_type",
    422: "invalid",
    _UNAVAILABLE: "unavailable",
}

Limit = Annotated[int, Query(ge=1, le=MOST_RESULTS, description="Results at most.")]
KindOf = Annotated[Kind | None, Query(description="Take the query for this kind instead of telling it from its form.")]
Require = Annotated[
    Literal["hybrid", "lexical"] | None,
    Query(description="With `hybrid`, 503 instead of a lexical answer while there is no model."),
]


class Refusal(BaseModel):
    """Why a request was refused: a code for programs, a sentence for people."""

    code: str
    sentence: str
    hint: str


class Refused(BaseModel):
    """The body of every 4xx and 503."""

    error: Refusal


class Asked(BaseModel):
    """The body of a POST: a log, or a question; one of the two."""

    model_config = ConfigDict(extra="forbid")

    log: str | None = Field(default=None, description=f"A log or a stack trace, up to {LARGEST_LOG // 1024} KiB.")
    q: str | None = Field(default=None, description="A question or an error line.")
    limit: int = Field(default=10, ge=1, le=MOST_RESULTS)
    kind: Kind | None = None
    mode: Literal["hybrid", "lexical"] | None = None


class Suggestion(BaseModel):
    """One completion of what is being typed."""

    text: str
    page: str
    url: str
    page_kind: str


class Suggestions(BaseModel):
    """What is probably meant, best first."""

    query: str
    suggestions: list[Suggestion]


class Status(BaseModel):
    """What the search answers with now."""

    mode: Literal["hybrid", "lexical"]
    ready: bool
    loaded: bool
    notice: str | None
    index: str | None
    pages: int


class OneSentence(APIRoute):
    """A route that refuses with one sentence, whatever was wrong."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the handler."""
        handler = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                _well_formed(request)
                return await handler(request)
            except QueryError as error:
                return _refuse(error.status, error.sentence)
            except UnavailableError as error:
                return _refuse(_UNAVAILABLE, str(error))
            except (RequestValidationError, ValidationError) as error:
                first = error.errors()[0]
                where = ".".join(str(part) for part in first["loc"] if part not in ("query", "body")) or "body"
                return _refuse(422, f"{where}: {first['msg']}")

        return answer


def mount(app: FastAPI, catalogue: Catalogue, service: Service | None = None) -> None:
    """Add the search to an app; the model loads in the background once it serves, and until then answers are lexical.

    Args:
        app: The app.
        catalogue: What is searched.
        service: Answers; None makes one and starts it with the app: who only asks for its description loads no
            model. It is kept as `app.state.search`.
    """
    answering = service or Service(catalogue)
    app.state.search = answering

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        if service is None:
            answering.start()
        yield

    app.include_router(APIRouter(lifespan=life))
    app.include_router(routes(answering))


_BODY = {
    "required": True,
    "content": {
        "application/json": {"schema": Asked.model_json_schema()},
        "text/plain": {"schema": {"type": "string"}},
    },
}


def routes(service: Service) -> APIRouter:
    """Return the routes over a service. Synchronous ones run in a thread, off the event loop."""
    refusals: dict[int | str, dict[str, Any]] = {code: {"model": Refused} for code in _CODES}
    api = APIRouter(prefix="/api", tags=["search"], route_class=OneSentence, responses=refusals)

    @api.get("/search", response_model=Answer)
    def search(
        q: Annotated[
            str, Query(description=f"A symptom, an error message or a log line; up to {LONGEST_QUESTION} characters.")
        ],
        limit: Limit = 10,
        kind: KindOf = None,
        mode: Require = None,
    ) -> Answer:
        """Find the guide for a symptom or an error message."""
        answer = service.answer(q, limit=limit, kind=kind, log=False, require=mode)
        record(answer, q, gaps_file())
        return answer

    @api.post("/search", response_model=Answer, openapi_extra={"requestBody": _BODY})
    async def search_log(request: Request) -> Answer:
        """Find the guide for a log or a stack trace: as JSON, or as it is with `Content-Type: text/plain`."""
        asked = _asked(request.headers.get("content-type", ""), await _body(request))

        def find() -> Answer:
            text = asked.log if asked.log is not None else asked.q or ""
            found = service.answer(text, limit=asked.limit, kind=asked.kind, require=asked.mode)
            record(found, text, gaps_file())
            return found

        return await run_in_threadpool(find)

    _beside(api, service)
    return api


def _beside(api: APIRouter, service: Service) -> None:
    """Add what stands beside the search: completion, and what it answers with now."""

    @api.get("/suggest", response_model=Suggestions)
    def suggest(q: str, limit: Annotated[int, Query(ge=1, le=20)] = 8) -> dict[str, Any]:
        """Complete what is being typed; lexical, in about a millisecond."""
        return {"query": q, "suggestions": service.suggest(q, limit)}

    @api.get("/search/status", response_model=Status)
    def status() -> dict[str, Any]:
        """Say what the search answers with now, and why not with more."""
        state = service.state
        return {
            "mode": service.mode,
            "ready": state.engine is not None,
            "loaded": service.loaded,
            "notice": state.notice,
            "index": state.folder.name if state.folder else None,
            "pages": len(state.engine.corpus.pages) if state.engine else 0,
        }


def _refuse(status: int, sentence: str) -> JSONResponse:
    hint = "see /api/openapi.json for what it takes" if status != _UNAVAILABLE else "see /api/search/status"
    return JSONResponse({"error": {"code": _CODES.get(status, "invalid"), "sentence": sentence, "hint": hint}}, status)


def _well_formed(request: Request) -> None:
    """Refuse an address that is not UTF-8, before it is read with replacement characters in it."""
    try:
        unquote_to_bytes(request.scope["query_string"].replace(b"+", b" ")).decode("utf-8")
    except UnicodeDecodeError:
        raise QueryError(400, "the query is not UTF-8: percent-encode its bytes") from None


async def _body(request: Request) -> bytes:
    """Read the body, and stop as soon as it is too large."""
    found = bytearray()
    async for piece in request.stream():
        found += piece
        if len(found) > LARGEST_BODY:
            raise QueryError(
                413,
                f"the body is larger than {LARGEST_BODY // 1024} KiB: send the part of the log around the first error",
            )
    return bytes(found)


def _asked(content_type: str, body: bytes) -> Asked:
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise QueryError(400, f"the body is not UTF-8 (byte {error.start})") from None
    media = content_type.partition(";")[0].strip().lower()
    if media == "text/plain":
        return Asked(log=text)
    if media not in ("", "application/json"):
        raise QueryError(415, f"the body is {media}, but application/json or text/plain is read")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise QueryError(400, f'the body is no JSON ({error}): send {{"log": "…"}} or {{"q": "…"}}') from None
    asked = Asked.model_validate(data)
    if (asked.log is None) == (asked.q is None):
        raise QueryError(422, 'send {"log": "…"} or {"q": "…"}, one of the two')
    return asked
