"""Read who holds a model's lease, whether they live, and which moves of aliases others undid."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plumbline.deployment.core.errors import DeploymentError, NotFoundError
from plumbline.evidence import Endpoint, UnavailableError

if TYPE_CHECKING:
    from plumbline.deployment.registry.aliases import Moved
    from plumbline.deployment.registry.store import Registry

RECENT_S, UNDONE_S = 3600.0, 600.0
LOOKS, WATCH_S = 10, 3.0


def contest(
    endpoint: Endpoint, now: float | None = None, pause: Callable[[float], None] = time.sleep
) -> dict[str, Any]:
    """Return the fields of `Contest`.

    Raises:
        UnavailableError: The registry cannot be read, or has no such model.
    """
    place, model = endpoint.registry or "", endpoint.model or ""
    try:
        if place.startswith(("http://", "https://")):
            return _watched(endpoint, pause)
        return _read(place, model, time.time() if now is None else now)
    except DeploymentError as error:
        raise UnavailableError("unreachable", error.sentence) from None


def _read(place: str, model: str, now: float) -> dict[str, Any]:
    from plumbline.deployment.registry.leases import holding
    from plumbline.deployment.registry.store import Registry

    with Registry.open(place, Path() if "://" in place else None, read_only=True) as registry:
        if not registry.versions(model):
            raise UnavailableError("not_configured", f"the registry has no model '{model}'")
        with registry.database.reading() as connection:
            last = holding(connection, model, now)
        found = _fought(registry, model, now)
    if last is None or last.left_s <= 0:
        return found
    return found | {
        "holder": last.holder,
        "left_s": last.left_s,
        "term_s": last.term_s,
        "silent_s": max(now - last.taken_at, 0.0),
        "lives": _lives(place, last.holder),
    }


def _lives(place: str, holder: str) -> bool | None:
    """Ask the journal which process runs the holder's deployment, and this machine whether it lives."""
    from plumbline.deployment.pipeline.journal import Journal
    from plumbline.deployment.pipeline.presence import RUN, running

    deployment, _, host = holder.rpartition("@")
    if host != socket.gethostname() or not deployment:
        return None
    journal = Journal(place if "://" in place else Path(place) / "deployments.db", read_only=True)
    try:
        journal.get(deployment)
        entries = journal.entries(deployment)
    except NotFoundError:
        return None
    finally:
        journal.close()
    if not any(one.kind == "note" and one.step == RUN for one in entries):
        return None
    return running(entries) is not None


def _fought(registry: Registry, model: str, now: float) -> dict[str, Any]:
    recent = [one for one in registry.history(model) if now - one.at <= RECENT_S]
    names = dict.fromkeys(one.alias for one in recent)
    found = [_undone(name, [one for one in recent if one.alias == name]) for name in names]
    return max(found, key=lambda one: int(one["undone"]), default={})


def _undone(alias: str, moves: Sequence[Moved]) -> dict[str, Any]:
    backs = [
        (one, then)
        for one, then in pairwise(moves)
        if then.target == one.source and then.by != one.by and then.at - one.at <= UNDONE_S
    ]
    return {
        "alias": alias,
        "undone": len(backs),
        "by_hand": sum(one.epoch is None for one in moves),
        "movers": tuple(dict.fromkeys(name for one, then in backs for name in (one.by, then.by))),
    }


def _watched(endpoint: Endpoint, pause: Callable[[float], None]) -> dict[str, Any]:
    """MLflow keeps no history of aliases: what changes while somebody looks is all that can be seen."""
    from plumbline.deployment.models.mlflow import Server

    server = Server(endpoint.registry or "", token=endpoint.token)
    seen: dict[str, list[str]] = {}
    try:
        for look in range(LOOKS):
            if look:
                pause(WATCH_S / LOOKS)
            told = server.call("GET", "registered-models/get", name=endpoint.model or "")["registered_model"]
            for one in told.get("aliases", []):
                seen.setdefault(str(one["alias"]), []).append(str(one["version"]))
    finally:
        server.close()
    backs = {alias: _returns(versions) for alias, versions in seen.items()}
    alias = max(backs, key=lambda one: backs[one], default="")
    return {"alias": alias, "undone": backs.get(alias, 0), "watched_s": WATCH_S}


def _returns(versions: Sequence[str]) -> int:
    """Count how often it went back to where it was before the last change."""
    steps = [versions[0], *(now for before, now in pairwise(versions) if now != before)]
    return sum(first == third for first, third in zip(steps, steps[2:], strict=False))
