"""HTTP for diagnostics: what there is, start a run, follow it, cancel it. Ids and target names only."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response, StreamingResponse

from plumbline.catalogue import Catalogue
from plumbline.diagnosis.catalogue import Diagnostic, load
from plumbline.diagnosis.targets import DEFAULT, TargetError, names, resolve
from plumbline.evidence import Endpoint
from plumbline.web.errors import Refusal
from plumbline.web.guard import require_token
from plumbline.web.runs import Run, Runs
from plumbline.web.settings import WebSettings

Id = Annotated[str, Field(pattern=r"^[a-z]+\.[a-z0-9]+(-[a-z0-9]+)*$", max_length=80)]


class RunRequest(BaseModel):
    """What a page may ask for: ids of the catalogue and the name of a target, nothing free-form."""

    model_config = ConfigDict(extra="forbid")

    ids: list[Id] = Field(default_factory=list, max_length=200, description="Ids of diagnostics; empty for all.")
    target: str = Field("lab", max_length=80, description="A target's name in plumbline.toml, or 'lab'.")


def routes(catalogue: Catalogue, runs: Runs, settings: WebSettings) -> APIRouter:
    """Return the routes under /api."""
    api = APIRouter(prefix="/api", tags=["diagnostics"])

    @api.get("/diagnostics")
    def list_diagnostics() -> JSONResponse:
        """All diagnostics: id, question, what they read, thresholds with their sources."""
        return JSONResponse({"diagnostics": [described(one) for one in load(catalogue)]})

    @api.get("/targets")
    def list_targets() -> JSONResponse:
        """The targets that a run may name."""
        return JSONResponse({"targets": (known := known_targets()), "default": default_target(known)})

    _run_routes(api, catalogue, runs, settings)
    return api


def _run_routes(api: APIRouter, catalogue: Catalogue, runs: Runs, settings: WebSettings) -> None:
    """Add what starts, follows and cancels runs."""

    @api.post("/diagnostics/runs", status_code=202)
    async def start(request: Request, wanted: RunRequest) -> JSONResponse:
        """Start a run, or join the one that does the same; needs the session token."""
        require_token(request, settings.token)
        ids = check_ids(wanted.ids, catalogue)
        check_target(wanted.target)
        run, joined = runs.start(ids, wanted.target)
        base = f"/api/diagnostics/runs/{run.id}"
        return JSONResponse({"run": run.id, "events": f"{base}/events", "report": base, "joined": joined}, 202)

    @api.get("/diagnostics/runs/{run_id}")
    async def report(run_id: str) -> JSONResponse:
        """The report of a run; 202 while it is under way."""
        run = runs.get(run_id)
        if run.report is None:
            state = "finished without a report" if run.finished else "under way"
            return JSONResponse({"run": run.id, "state": state, "events": run.events}, 200 if run.finished else 202)
        return JSONResponse(run.report)

    @api.delete("/diagnostics/runs/{run_id}", status_code=202)
    async def cancel(request: Request, run_id: str) -> JSONResponse:
        """Cancel a run: its workers are killed."""
        require_token(request, settings.token)
        run = runs.get(run_id)
        run.cancel.set()
        return JSONResponse({"run": run.id, "cancelled": not run.finished}, 202)

    @api.get("/diagnostics/runs/{run_id}/events", response_class=StreamingResponse)
    async def events(run_id: str, last_event_id: Annotated[int, Header(ge=0)] = 0) -> Response:
        """The events of a run as SSE; `Last-Event-ID` resumes after an event."""
        run = runs.get(run_id)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(as_sse(runs, run, last_event_id), media_type="text/event-stream", headers=headers)


async def as_sse(runs: Runs, run: Run, after: int) -> AsyncIterator[str]:
    """Render events as SSE; a comment line keeps a quiet connection alive."""
    yield "retry: 3000\n\n"
    async for item in runs.follow(run, after):
        if item is None:
            yield ": still running\n\n"
            continue
        number, event = item
        yield f"id: {number}\nevent: {event['event']}\ndata: {json.dumps(event, ensure_ascii=False)}\n\n"


def check_ids(ids: list[str], catalogue: Catalogue) -> tuple[str, ...]:
    """Return the ids in order, each once.

    Raises:
        Refusal: One is unknown (404).
    """
    known = {str(problem) for problem, _ in catalogue.diagnostics()}
    for wanted in ids:
        if wanted not in known:
            raise Refusal(404, "no_diagnostic", f"there is no diagnostic '{wanted}'", "GET /api/diagnostics lists them")
    return tuple(dict.fromkeys(ids)) or tuple(sorted(known))


def known_targets() -> list[str]:
    """Return the names that a run may give as its target.

    Raises:
        Refusal: plumbline.toml is wrong (503).
    """
    try:
        return names()
    except TargetError as error:
        raise Refusal(503, "targets", str(error), "mend the file; the next request reads it again") from None


def default_target(known: list[str]) -> str:
    """Return the target that pages offer first: the lab, or, where none runs, the first of `plumbline.toml`."""
    others = [name for name in known if name != DEFAULT]
    return others[0] if others and resolve(DEFAULT) == Endpoint(name=DEFAULT) else DEFAULT


def check_target(name: str) -> None:
    """Refuse anything that is not the name of a configured target.

    Raises:
        Refusal: The target is free-form or unknown (422), or plumbline.toml is wrong (503).
    """
    configured = known_targets()
    if name not in configured:
        known = ", ".join(configured)
        raise Refusal(422, "target", f"'{name}' is no target of this server", f"name one of: {known} (plumbline.toml)")


def described(one: Diagnostic) -> dict[str, Any]:
    """Return what pages and programs want to know of a diagnostic."""
    return {
        "id": str(one.id),
        "question": one.question,
        "explanation": one.explanation,
        "guide": one.guide,
        "timeout_s": one.judge.timeout_s if one.judge else None,
        "reads": [source.reads for need in (one.judge.needs if one.judge else ()) for source in need.evidence.sources],
        "thresholds": [
            {"name": name, "value": limit.value, "unit": limit.unit, "text": str(limit), "source": limit.source}
            for name, limit in one.thresholds.items()
        ],
    }
