"""The one-port app: site, search, diagnostics, health."""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import entry_points

from fastapi import APIRouter, FastAPI, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import JSONResponse, RedirectResponse, Response

from plumbline import __version__
from plumbline.catalogue import Catalogue, ProblemId
from plumbline.diagnosis.runner import Runner
from plumbline.diagnosis.targets import resolve
from plumbline.web import diagnostics_api, errors, live_api
from plumbline.web.deployment import api as deployment_api
from plumbline.web.deployment import experiments
from plumbline.web.errors import Refusal
from plumbline.web.guard import Guard
from plumbline.web.metrics import Measured, Metrics
from plumbline.web.pages import Site, how_to_build, is_built
from plumbline.web.runs import Event, OnEvent, Runs
from plumbline.web.settings import WebSettings

GROUP = "plumbline.web"
log = logging.getLogger(__name__)


def create_app(settings: WebSettings, catalogue: Catalogue) -> FastAPI:
    """Build the app.

    Args:
        settings: What it may do.
        catalogue: The handbook it serves.
    """
    runner = Runner(catalogue, jobs=settings.jobs)

    def judge(ids: tuple[str, ...], target: str, report: OnEvent, cancel: threading.Event) -> None:
        def count(event: Event) -> None:
            if event["event"] == "check.finished":
                metrics.findings.labels(event["result"]["status"]).inc()
            report(event)

        runner.run(list(ids), resolve(target), on_event=count, cancel=cancel)

    runs = Runs(judge, active=settings.active_runs, per_minute=settings.starts_per_minute, kept=settings.kept_runs)
    metrics = Metrics(lambda: runs.active)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        with runner:
            yield
            await runs.close()

    app = FastAPI(
        title="Plumbline",
        version=__version__,
        summary="Search the handbook and run its diagnostics.",
        lifespan=life,
        openapi_url="/api/openapi.json",
        docs_url=None,  # Swagger's page fetches its script from a CDN; the site has the reference
        redoc_url=None,
    )
    errors.install(app)
    _answer(app, settings, catalogue, runs, metrics)
    app.add_middleware(Guard, settings=settings)
    app.add_middleware(Measured, metrics=metrics)
    return app


def _answer(app: FastAPI, settings: WebSettings, catalogue: Catalogue, runs: Runs, metrics: Metrics) -> None:
    """Give each address its answer; the order counts, since the last two take what nobody before them took."""
    app.include_router(diagnostics_api.routes(catalogue, runs, settings))
    app.include_router(live_api.routes())
    app.include_router(deployment_api.routes(settings))
    app.include_router(experiments.pages())
    app.include_router(_session(settings))
    app.include_router(_health(settings, catalogue, metrics))
    mount_others(app, catalogue)
    app.include_router(_unknown_api())
    app.mount("/", Site(settings.site, how_to_build(catalogue.root)))


def mount_others(app: FastAPI, catalogue: Catalogue) -> None:
    """Mount what other packages bring (entry points `plumbline.web`); one that fails is named, the rest is served."""
    for point in entry_points(group=GROUP):
        try:
            point.load()(app, catalogue)
        except Exception as error:
            log.exception("could not mount %s", point.name)
            app.include_router(_broken(point.name, str(error)))


def _broken(name: str, why: str) -> APIRouter:
    api = APIRouter(prefix=f"/api/{name}")

    @api.api_route("", methods=["GET", "POST"], include_in_schema=False)
    def answer() -> None:
        raise Refusal(
            503, "not_mounted", f"{name} could not be started: {why}", "see the server's log; then `make up` again"
        )

    return api


def _session(settings: WebSettings) -> APIRouter:
    api = APIRouter(prefix="/api", tags=["session"])

    @api.get("/session")
    def session(request: Request) -> JSONResponse:
        """The token with which a page of this site may start runs."""
        if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
            raise Refusal(403, "cross_site", "the session token is for pages of this site", "open the site itself")
        return JSONResponse({"token": settings.token}, headers={"Cache-Control": "no-store"})

    return api


def _health(settings: WebSettings, catalogue: Catalogue, metrics: Metrics) -> APIRouter:
    api = APIRouter(tags=["health"])

    @api.get("/healthz")
    def healthz() -> JSONResponse:
        """The process answers."""
        return JSONResponse({"status": "ok", "version": __version__})

    @api.get("/readyz")
    def readyz() -> JSONResponse:
        """The site is built and the catalogue holds diagnostics."""
        missing = [] if is_built(settings.site) else [f"no site is built: {how_to_build(catalogue.root)}"]
        if not catalogue.diagnostics():
            missing.append("the catalogue is empty")
        return JSONResponse({"ready": not missing, "missing": missing}, 503 if missing else 200)

    @api.get("/metrics")
    def show_metrics() -> Response:
        """Prometheus metrics of this app."""
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    @api.get("/d/{problem}", tags=["site"])
    def guide(problem: str) -> RedirectResponse:
        """The evergreen address of a guide, for alert rules and tickets."""
        try:
            return RedirectResponse(ProblemId.parse(problem).url, 307)
        except ValueError as error:
            raise Refusal(404, "no_guide", str(error), "search for the symptom: /") from None

    return api


def _unknown_api() -> APIRouter:
    """Answer unknown API addresses as an API does, not with the site's 404 page."""
    api = APIRouter(prefix="/api", include_in_schema=False)

    @api.api_route("/{rest:path}", methods=["GET", "POST", "PUT", "DELETE", "PATCH"])
    def nothing(request: Request) -> None:
        path = request.url.path
        raise Refusal(404, "no_route", f"there is nothing at {request.method} {path}", "see /api/openapi.json")

    return api
