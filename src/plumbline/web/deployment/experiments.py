"""Experiments over HTTP: those that targets name, what may be concluded from one, and its report as a page."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Path
from starlette.responses import HTMLResponse, JSONResponse

from plumbline.diagnosis import redact
from plumbline.diagnosis.targets import TargetError, names, resolve
from plumbline.web.deployment.registries import refusing
from plumbline.web.errors import Refusal
from plumbline.web.pages import policy

if TYPE_CHECKING:
    from plumbline.deployment.experiments.declaration import Experiment

Name = Annotated[str, Path(max_length=128)]
HOW = 'add experiment = "FILE" to a [targets.NAME] of plumbline.toml'
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width,initial-scale=1"><style>:root {{ color-scheme: light dark }}
body {{ max-width: 48rem; margin: 1.5rem auto; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif }}</style></head>
<body><main><h1>{title}</h1>
{body}
</main></body></html>
"""


def add(api: APIRouter) -> None:
    """Add the routes of the API."""

    @api.get("/experiments")
    def experiments() -> JSONResponse:
        """The targets of plumbline.toml that name an experiment."""
        return JSONResponse({"experiments": sorted(found())})

    @api.get("/experiments/{target}")
    def experiment(target: Name) -> JSONResponse:
        """What may be concluded from an experiment now, as `plumb ab status --json` says it."""
        with refusing():
            from plumbline.deployment.experiments.analysis import analyse
            from plumbline.deployment.experiments.log import read
            from plumbline.deployment.experiments.report.record import record

            one = declared(target)
            return JSONResponse(record(one.plan, analyse(one.plan, read(one.log))))


def pages() -> APIRouter:
    """Return the pages: a list, and the report that `plumb ab report` writes; each is made when it is asked for."""
    site = APIRouter(prefix="/experiments", tags=["site"])

    @site.get("/", response_class=HTMLResponse)
    def every() -> HTMLResponse:
        """The experiments, as a page."""
        try:
            listed = sorted(found())
        except Refusal as refusal:
            return absent(refusal)
        links = [f'<li><a href="/experiments/{quote(name, safe="")}">{escape(name)}</a></li>' for name in listed]
        body = f"<ul>{''.join(links)}</ul>" if links else f"<p>No target names an experiment: {escape(HOW)}.</p>"
        return shown(PAGE.format(title="Experiments", body=body))

    @site.get("/{target}", response_class=HTMLResponse)
    def one(target: Name) -> HTMLResponse:
        """An experiment's report as `plumb ab report` writes it: recommendation, effects over time, arms, plan."""
        try:
            return shown(report(target))
        except Refusal as refusal:
            return absent(refusal)

    return site


def report(target: str) -> str:
    """Return the page of an experiment.

    Raises:
        Refusal: There is none of that name, or its file or log cannot be read.
    """
    with refusing():
        from plumbline.deployment.experiments.analysis import analyse, compiled
        from plumbline.deployment.experiments.course import course
        from plumbline.deployment.experiments.log import read
        from plumbline.deployment.experiments.report.page import page
        from plumbline.deployment.experiments.report.record import record

        one = declared(target)
        known = compiled(one.plan, read(one.log))
        return page(record(one.plan, analyse(one.plan, known), course(known)))


def declared(target: str) -> Experiment:
    """Return a target's experiment.

    Raises:
        Refusal: It names none (404).
        DeploymentError: Its file cannot be read.
    """
    from pathlib import Path as File

    from plumbline.deployment.experiments.declaration import load

    path = found().get(target)
    if path is None:
        raise Refusal(404, "no_experiment", f"no target '{target[:80]}' names an experiment", HOW)
    return load(File(path))


def found() -> dict[str, str]:
    """Return the file of each experiment by the name of its target.

    Raises:
        Refusal: The targets cannot be read (503).
    """
    try:
        named: dict[str, Any] = {name: resolve(name).experiment for name in names()}
    except TargetError as error:
        raise Refusal(503, "targets", str(error), "mend the file; the next request reads it again") from None
    return {name: path for name, path in named.items() if path}


def shown(html: str, status: int = 200) -> HTMLResponse:
    """Return a page with the policy that pages of the site have; it is never kept, for the next look is another one."""
    return HTMLResponse(html, status, {"Content-Security-Policy": policy(html.encode()), "Cache-Control": "no-store"})


def absent(refusal: Refusal) -> HTMLResponse:
    """Return what is wrong as a page."""
    hint = f" {escape(refusal.hint)}." if refusal.hint else ""
    body = f"<p>{escape(redact.text(refusal.sentence))}.{hint}</p><p><a href='/experiments/'>All experiments</a></p>"
    return shown(PAGE.format(title="Not to be seen", body=body), refusal.status)
