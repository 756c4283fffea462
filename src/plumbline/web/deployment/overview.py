"""A registry at a glance: its models, its newest deployments, or what to do if there are none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plumbline.web.deployment import facts
from plumbline.web.deployment.registries import how_to_begin, opened, place_of, shown
from plumbline.web.errors import Refusal
from plumbline.web.settings import WebSettings

if TYPE_CHECKING:
    from plumbline.web.deployment.registries import Place

NEWEST = 20
"""Deployments on the page; the others are a command away."""


def look(name: str, settings: WebSettings) -> dict[str, Any]:
    """Return what the page shows. What cannot be read is told in `absent`, with what to do in `next`.

    Raises:
        Refusal: No registry of that name is shown (404), or the targets' file is wrong (503).
    """
    url = place_of(name, settings)
    body: dict[str, Any] = {"registry": name, "at": shown(url), "models": [], "deployments": []}
    try:
        with opened(name, settings) as place:
            body["models"] = facts.models(place, running(place))
            body["deployments"] = deployments(place, None, NEWEST)
    except Refusal as refusal:
        return body | {"absent": refusal.sentence, "next": refusal.hint}
    if not body["models"] and not body["deployments"]:
        body |= {"absent": f"the registry in {shown(url)} holds no model yet", "next": how_to_begin(url)}
    return body


def deployments(place: Place, model: str | None, limit: int) -> list[dict[str, Any]]:
    """Return the newest deployments in short."""
    journal = place.journal
    if journal is None:
        return []
    return [facts.deployment_line(one, journal.entries(one.id)) for one in place.deployments(model)[:limit]]


def running(place: Place) -> dict[str, str]:
    """Return the deployment that is under way, by model."""
    if place.journal is None:
        return {}
    return {one.plan.model: one.id for one in reversed(place.journal.deployments(running=True))}
