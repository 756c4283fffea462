"""The journal of one deployment, folded into its steps: those that ended, the one that is under way, those to come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plumbline.deployment.pipeline.journal import Deployment, Entry

ENDINGS = ("done", "failed")


def timeline(one: Deployment, entries: list[Entry]) -> list[dict[str, Any]]:
    """Return the steps of a deployment, in order.

    `state` of a step is `pending`, `running`, `skipped`, or its result: `ok`, `overridden`, `same`, `fail`,
    `inconclusive`, `aborted`.
    """
    names = planned(one, entries)
    begun = [entry for entry in entries if entry.kind != "note"]
    names += [name for name in dict.fromkeys(entry.step for entry in begun) if name not in names]
    broken = any(entry.kind == "failed" for entry in begun)
    same = any(entry.data.get("result") == "same" for entry in begun)
    idle = "skipped" if one.ended or broken else "pending"
    steps = [_step(one, name, [entry for entry in begun if entry.step == name], entries, idle) for name in names]
    reached = max((number for number, step in enumerate(steps) if step["began"]), default=-1)
    for step in steps[:reached] if same else ():
        if not step["began"]:
            step["state"] = "skipped"
    return steps


def planned(one: Deployment, entries: list[Entry]) -> list[str]:
    """Return the names of the steps that it takes if all goes well."""
    from plumbline.deployment.pipeline.machine import Result
    from plumbline.deployment.pipeline.world import Facts

    facts = Facts.of(entries)
    course = one.plan.course(first=facts is not None and facts.production is None)
    state, names = course.start, []
    while not state.ended:
        names.append(state.name)
        state = course.after(state, Result.OK)
    return names


def notes(entries: list[Entry]) -> list[dict[str, Any]]:
    """Return what people said to it: approvals, refusals, overrides, requests to stop."""
    from plumbline.deployment.pipeline.presence import RUN

    return [
        {"said": entry.step, "at": entry.at, "by": entry.data.get("by"), "why": entry.data.get("why"),
         "gate": entry.data.get("gate") or None, "expires_at": entry.data.get("expires_at")}
        for entry in entries
        if entry.kind == "note" and entry.step != RUN
    ]  # fmt: skip


def _step(one: Deployment, name: str, its: list[Entry], entries: list[Entry], idle: str) -> dict[str, Any]:
    end = next((entry for entry in reversed(its) if entry.kind in ENDINGS), None)
    if its and its[-1].kind == "intent":
        end = None  # it was begun again after a failure: a way back that is tried until it is there
    data: dict[str, Any] = {} if end is None else dict(end.data)
    facts: dict[str, Any] = {
        "step": name,
        "state": str(data.get("result", "fail")) if end else ("running" if its else idle),
        "sentence": data.get("sentence", ""),
        "began": its[0].at if its else None,
        "ended": end.at if end else None,
    }
    if "verdicts" in data:
        over = data.get("overridden", {})
        facts["verdicts"] = [{**verdict, "overridden": over.get(verdict["gate"])} for verdict in data["verdicts"]]
    if "shares" in data:
        facts["shares"] = _shares(data["shares"], entries)
    if "look" in data:
        facts["look"] = data["look"]
    if name.startswith("watch:"):
        stage = one.plan.stages[int(name.partition(":")[2])]
        facts |= {"hold_s": stage.hold_s, "longest_s": stage.longest_s, "share": stage.share}
    return facts


def _shares(shares: dict[str, float], entries: list[Entry]) -> list[dict[str, Any]]:
    from plumbline.deployment.core.lanes import version_of
    from plumbline.deployment.pipeline.world import Facts

    facts = Facts.of(entries)
    both = [built for built in (facts.candidate, facts.production) if built is not None] if facts else []
    names = {built.digest: built.version for built in both}
    return [
        {"version": names.get(version_of(key), version_of(key)[7:19]), "copy": key != version_of(key), "share": part}
        for key, part in shares.items()
    ]
