"""What a person may change over HTTP: answer a deployment, go back, move an alias. On this machine, with the token.

The token tells pages apart, not people (decision 5): who does it is a name in the request, as `--by` is on the command
line, and stands in the journal or in the alias' history with the reason.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse

from plumbline.web.deployment import facts
from plumbline.web.deployment.registries import (
    DEFAULT,
    how_to_begin,
    is_there,
    journal_of,
    place_of,
    refusing,
    shown,
)
from plumbline.web.errors import Refusal
from plumbline.web.guard import require_token
from plumbline.web.settings import WebSettings, is_loopback

if TYPE_CHECKING:
    from plumbline.deployment.pipeline.journal import Journal

Registry = Annotated[str, Query(max_length=80)]
Id = Annotated[str, Path(max_length=128)]
DAY_S = 86_400.0


class Reason(BaseModel):
    """Who, and why: both are kept for good."""

    model_config = ConfigDict(extra="forbid")

    by: str = Field(min_length=1, max_length=200, description="Who does it.")
    why: str = Field(min_length=1, max_length=2000, description="The reason.")


class Approval(Reason):
    """An answer that holds for a while."""

    valid_s: float = Field(DAY_S, gt=0, le=30 * DAY_S, description="How long it holds, in seconds.")


class Override(Approval):
    """Somebody answers for a gate's verdict."""

    gate: str = Field(min_length=1, max_length=128, description="The gate, or `watch` for an inconclusive watch.")


class WayBack(Reason):
    """Back to a version that was registered before."""

    to: str | None = Field(None, max_length=128, description="Version or digest; null: the one that served before.")
    alias: str = Field("production", max_length=128, description="The alias that says what serves.")


class Move(Reason):
    """Compare-and-set of an alias."""

    to: str | None = Field(max_length=128, description="Version, alias or digest; null takes the alias away.")
    expect: str | None = Field(max_length=128, description="Version it points at now; null: at nothing.")


def add(api: APIRouter, settings: WebSettings) -> None:
    """Add what changes something."""

    @api.post("/deployments/{deployment}/approve")
    def approve(request: Request, deployment: Id, wanted: Approval, registry: Registry = DEFAULT) -> JSONResponse:
        """Let a deployment that waits go on; whoever runs it, or resumes it, then does. Needs the session token."""
        with _changing(request, registry, settings) as url, _journal(url) as journal:
            from plumbline.deployment.pipeline import approvals

            said = approvals.approve(
                journal, deployment, by=wanted.by, why=wanted.why, now=time.time(), valid_s=wanted.valid_s
            )
        return JSONResponse(facts.entry(said), 201)

    @api.post("/deployments/{deployment}/refuse")
    def refuse(request: Request, deployment: Id, wanted: Reason, registry: Registry = DEFAULT) -> JSONResponse:
        """Say no to a deployment that waits. Needs the session token."""
        with _changing(request, registry, settings) as url, _journal(url) as journal:
            from plumbline.deployment.pipeline import approvals

            said = approvals.refuse(journal, deployment, by=wanted.by, why=wanted.why, now=time.time())
        return JSONResponse(facts.entry(said), 201)

    @api.post("/deployments/{deployment}/stop")
    def stop(request: Request, deployment: Id, wanted: Reason, registry: Registry = DEFAULT) -> JSONResponse:
        """Ask a deployment to undo what it did and end. Needs the session token."""
        with _changing(request, registry, settings) as url, _journal(url) as journal:
            from plumbline.deployment.pipeline import approvals

            said = approvals.stop(journal, deployment, by=wanted.by, why=wanted.why, now=time.time())
        return JSONResponse(facts.entry(said), 201)

    @api.post("/deployments/{deployment}/override")
    def override(request: Request, deployment: Id, wanted: Override, registry: Registry = DEFAULT) -> JSONResponse:
        """Answer for a gate's verdict on this deployment's candidate: it reads as overridden. Needs the token."""
        with _changing(request, registry, settings) as url, _journal(url) as journal:
            from plumbline.deployment.pipeline import approvals

            said = approvals.override(
                journal, deployment, wanted.gate, by=wanted.by, why=wanted.why, now=time.time(), valid_s=wanted.valid_s
            )
        return JSONResponse(facts.entry(said), 201)

    _add_moves(api, settings)


def _add_moves(api: APIRouter, settings: WebSettings) -> None:
    @api.post("/models/{model}/rollback")
    def rollback(request: Request, model: Id, wanted: WayBack, registry: Registry = DEFAULT) -> JSONResponse:
        """Move the alias back and the servers with it, and wait for the end. Needs the session token.

        What is being deployed is stopped and undone first. 201 when the version serves; 409 when the way back ended
        otherwise: `ended` and `sentence` say how.
        """
        with _changing(request, registry, settings) as url:
            from plumbline.catalogue import state_folder
            from plumbline.deployment.pipeline import opening, recovery

            blobs = state_folder() / "blobs" if "://" in url else None
            with opening.opened(url, blobs, state_folder()) as place:
                plan = recovery.way_back(
                    place.journal, place.registry, model, by=wanted.by, why=wanted.why, alias=wanted.alias, to=wanted.to
                )
                make = partial(place.controller, listen=lambda _: None)
                one, state = recovery.roll_back(place.journal, place.registry, plan, make)
                line = facts.deployment_line(place.journal.get(one.id), place.journal.entries(one.id))
        return JSONResponse(line, 201 if state.step == "promoted" else 409)

    @api.put("/models/{model}/aliases/{alias}")
    def move(request: Request, model: Id, alias: Id, wanted: Move, registry: Registry = DEFAULT) -> JSONResponse:
        """Point an alias at another version if it points at `expect`: servers do not follow it. Needs the token."""
        with _changing(request, registry, settings) as url:
            from plumbline.catalogue import state_folder
            from plumbline.deployment.registry.store import Registry as Store

            with Store.open(url, state_folder() / "blobs" if "://" in url else None) as store:
                done = store.move(model, alias, to=wanted.to, expect=wanted.expect, by=wanted.by, why=wanted.why)
        return JSONResponse(facts.move(done))


@contextmanager
def _changing(request: Request, registry: str, settings: WebSettings) -> Iterator[str]:
    """Check that this request may change the registry, and give its address.

    Raises:
        Refusal: It may not (401, 403), or there is nothing to change (404).
    """
    if not is_loopback(settings.host):
        raise Refusal(403, "not_here", "deployments are answered on the machine itself", "plumb deployments --help")
    require_token(request, settings.token)
    url = place_of(registry, settings)
    if not is_there(url):
        raise Refusal(404, "empty", f"there is no registry in {shown(url)} yet", how_to_begin(url))
    with refusing():
        yield url


@contextmanager
def _journal(url: str) -> Iterator[Journal]:
    from plumbline.deployment.pipeline.journal import Journal

    journal = Journal(journal_of(url))
    try:
        yield journal
    finally:
        journal.close()
