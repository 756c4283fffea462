"""Versions, aliases and deployments as JSON: what pages and programs read."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plumbline.deployment.pipeline.journal import Deployment, Entry
    from plumbline.deployment.registry.aliases import Moved
    from plumbline.deployment.registry.records import Stored
    from plumbline.web.deployment.registries import Place

Facts = dict[str, Any]


def models(place: Place, running: dict[str, str]) -> list[Facts]:
    """Return a line for each model.

    Args:
        place: The registry.
        running: Deployment that is under way, by model.
    """
    found = []
    for name in place.registry.models():
        versions = place.registry.versions(name)
        facts = {
            "model": name,
            "versions": len(versions),
            "highest": versions[0].version,
            "registered_at": versions[0].registered_at,
            "aliases": place.registry.aliases(name),
            "deploying": running.get(name),
        }
        found.append(facts)
    return found


def version_line(one: Stored, aliases: dict[str, str]) -> Facts:
    """Return a version in short."""
    return {
        "version": one.version,
        "digest": one.digest,
        "aliases": [alias for alias, version in aliases.items() if version == one.version],
        "rises": one.bump.name.lower() if one.against else "first",
        "against": one.against,
        "format": one.manifest.format,
        "metrics": dict(one.manifest.metrics),
        "registered_at": one.registered_at,
        "by": one.by,
        "collected_at": one.collected_at,
    }


def version(one: Stored, aliases: dict[str, str], keys: tuple[str, ...]) -> Facts:
    """Return a version whole: contract, lineage, metrics, card, and the evidence for its number."""
    from msgspec import to_builtins

    changes = [
        {"rises": change.bump.name.lower(), "where": change.where, "code": change.code, "sentence": change.sentence}
        for change in one.changes
    ]
    plain = to_builtins(one)
    more = {"changes": changes, "evidence": plain["evidence"], "manifest": plain["manifest"], "signed_by": list(keys)}
    return version_line(one, aliases) | more


def move(one: Moved) -> Facts:
    """Return one move of an alias."""
    return asdict(one)


def deployment_line(one: Deployment, entries: list[Entry]) -> Facts:
    """Return a deployment in short: from what to what, where it stands, and whether somebody is at work on it."""
    from plumbline.deployment.pipeline import presence

    versions = next((entry.data["versions"] for entry in entries if "versions" in entry.data), None)
    told = [entry for entry in entries if "sentence" in entry.data]
    failed = next((entry for entry in reversed(told) if entry.kind == "failed"), None)
    last = failed or (told[-1] if told else None)
    step = next((entry.step for entry in reversed(entries) if entry.kind != "note"), None)
    open_step = None if one.ended or not entries else step
    return {
        "id": one.id,
        "model": one.plan.model,
        "kind": one.plan.kind,
        "by": one.plan.by,
        "why": one.plan.why,
        "at": one.at,
        "ended": one.ended,
        "changed_at": entries[-1].at if entries else one.at,
        "from": versions["production"][0] if versions and versions["production"] else None,
        "to": versions["candidate"][0] if versions else one.plan.to or None,
        "step": open_step,
        "waits": open_step == "approval" and not _answered(entries),
        "at_work": None if one.ended else presence.running(entries),
        "sentence": last.data["sentence"] if last else "",
    }


def _answered(entries: list[Entry]) -> bool:
    """Say whether the approval, which is the last step that began, has ended or been answered."""
    asked = [number for number, entry in enumerate(entries) if entry.step == "approval"]
    after = entries[asked[0] :] if asked else []
    return any(entry.kind in ("done", "failed") or entry.step in ("approve", "refuse") for entry in after)


def entry(one: Entry) -> Facts:
    """Return a line of the journal."""
    return {"seq": one.seq, "step": one.step, "kind": one.kind, "epoch": one.epoch, "digest": one.digest, "at": one.at,
            "data": dict(one.data)}  # fmt: skip
