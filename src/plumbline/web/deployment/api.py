"""HTTP for registries, models, aliases, deployments and experiments; all of it reads, but for `changes`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import JSONResponse

from plumbline.web.deployment import changes, experiments, facts, live, overview
from plumbline.web.deployment.registries import DEFAULT, known, opened, shown
from plumbline.web.deployment.timeline import notes, timeline
from plumbline.web.settings import WebSettings

Registry = Annotated[str, Query(max_length=80, description="Name of a registry, as `GET …/registries` lists them.")]
Name = Annotated[str, Path(max_length=128)]
MOST = 200


def routes(settings: WebSettings) -> APIRouter:
    """Return the routes under /api/deployment."""
    api = APIRouter(prefix="/api/deployment", tags=["deployment"])
    _registry_routes(api, settings)
    _deployment_routes(api, settings)
    experiments.add(api)
    live.add(api, settings)
    changes.add(api, settings)
    return api


def _registry_routes(api: APIRouter, settings: WebSettings) -> None:
    @api.get("/registries")
    def registries() -> JSONResponse:
        """The registries that are shown here, by name."""
        found = [{"name": name, "at": shown(url)} for name, url in known(settings).items()]
        return JSONResponse({"registries": found, "default": DEFAULT})

    @api.get("/overview")
    def everything(registry: Registry = DEFAULT) -> JSONResponse:
        """Models with their aliases, and the newest deployments, as the page shows them."""
        return JSONResponse(overview.look(registry, settings))

    @api.get("/models")
    def models(registry: Registry = DEFAULT) -> JSONResponse:
        """All models: highest version, aliases, and the deployment that is under way."""
        with opened(registry, settings) as place:
            return JSONResponse({"models": facts.models(place, overview.running(place))})

    @api.get("/models/{model}")
    def model(model: Name, registry: Registry = DEFAULT) -> JSONResponse:
        """One model: its versions, the highest first, and where its aliases point."""
        with opened(registry, settings) as place:
            versions = place.registry.versions(model) or (place.registry.get(model, "1.0.0"),)
            aliases = place.registry.aliases(model)
        lines = [facts.version_line(one, aliases) for one in versions]
        return JSONResponse({"model": model, "aliases": aliases, "versions": lines})

    @api.get("/models/{model}/versions/{ref}")
    def version(model: Name, ref: Name, registry: Registry = DEFAULT) -> JSONResponse:
        """One version by number, alias or digest: signature, lineage, metrics, card, evidence for its number."""
        with opened(registry, settings) as place:
            one = place.registry.get(model, ref)
            keys = place.registry.signed_by(model, one.version)
            return JSONResponse(facts.version(one, place.registry.aliases(model), keys))

    @api.get("/models/{model}/aliases")
    def aliases(model: Name, registry: Registry = DEFAULT) -> JSONResponse:
        """Where a model's aliases point, and every move of them, the last one first: who, when, why, from, to."""
        with opened(registry, settings) as place:
            place.registry.versions(model) or place.registry.get(model, "1.0.0")
            moves = [facts.move(one) for one in reversed(place.registry.history(model))]
            return JSONResponse({"model": model, "aliases": place.registry.aliases(model), "history": moves})


def _deployment_routes(api: APIRouter, settings: WebSettings) -> None:
    @api.get("/deployments")
    def deployments(
        registry: Registry = DEFAULT,
        model: Annotated[str | None, Query(max_length=128)] = None,
        limit: Annotated[int, Query(ge=1, le=MOST)] = 50,
    ) -> JSONResponse:
        """Deployments, the newest first: from what to what, where each stands, how it ended."""
        with opened(registry, settings) as place:
            return JSONResponse({"deployments": overview.deployments(place, model, limit)})

    @api.get("/deployments/{deployment}")
    def deployment(deployment: Name, registry: Registry = DEFAULT) -> JSONResponse:
        """One deployment: its steps with verdicts and shares, what people said, and every line of its journal."""
        with opened(registry, settings) as place:
            one, entries = place.deployment(deployment)
        told = {"steps": timeline(one, entries), "notes": notes(entries)}
        return JSONResponse(facts.deployment_line(one, entries) | told | {"entries": list(map(facts.entry, entries))})
