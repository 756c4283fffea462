"""What people answer for: approving a deployment, overriding a verdict, asking to stop. All of it is in the journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from plumbline.deployment.core.errors import ConflictError, InvalidError
from plumbline.deployment.pipeline.journal import Entry, Journal

APPROVE, REFUSE, OVERRIDE, STOP = "approve", "refuse", "override", "stop"
"""Names of the notes."""

VALID_S = 86_400.0
"""How long an approval or override holds if nobody says otherwise: it was given for what was known that day."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What somebody allowed.

    Args:
        by: Who.
        why: The reason.
        expires_at: Until when it holds, Unix time in seconds.
        gate: The gate that an override is about, `watch` for the watch; empty for approvals.
        digest: The candidate that it is about.
    """

    by: str
    why: str
    expires_at: float
    gate: str = ""
    digest: str = ""


def approve(journal: Journal, deployment: str, *, by: str, why: str, now: float, valid_s: float = VALID_S) -> Entry:
    """Let a deployment that waits go on.

    Raises:
        InvalidError: No name, no reason, a validity that is not above 0, or a name that may not approve.
        ConflictError: The deployment is over.
    """
    allowed = journal.get(deployment).plan.approval.by
    if allowed and by not in allowed:
        raise InvalidError(f"'{by}' may not approve this deployment; may: {', '.join(allowed)}", by=by)
    return _note(journal, deployment, APPROVE, Grant(by, why, now + valid_s), valid_s)


def refuse(journal: Journal, deployment: str, *, by: str, why: str, now: float) -> Entry:
    """Say no to a deployment that waits: it ends as rejected."""
    return _note(journal, deployment, REFUSE, Grant(by, why, now), VALID_S)


def override(
    journal: Journal, deployment: str, gate: str, *, by: str, why: str, now: float, valid_s: float = VALID_S
) -> Entry:
    """Answer for a gate's fail or inconclusive, or for an inconclusive watch, of the deployment's candidate.

    It holds for that candidate in later deployments, too, until it expires; a deployment that a gate has ended is begun
    anew. Harm that a watch has seen cannot be overridden.

    Raises:
        InvalidError: As `approve`; the pipeline's file names who may override, and without names nobody may.
        ConflictError: The deployment has no candidate yet.
    """
    allowed = journal.get(deployment).plan.approval.override
    if by not in allowed:
        names = f"may: {', '.join(allowed)}" if allowed else "the pipeline's 'approval.override' names nobody"
        raise InvalidError(f"'{by}' may not override a verdict; {names}", by=by)
    digest = next((entry.digest for entry in reversed(journal.entries(deployment)) if entry.digest), "")
    if not digest:
        raise ConflictError(f"deployment '{deployment}' has no candidate yet: there is nothing to override")
    return _note(journal, deployment, OVERRIDE, Grant(by, why, now + valid_s, gate, digest), valid_s, over=True)


def stop(journal: Journal, deployment: str, *, by: str, why: str, now: float) -> Entry:
    """Ask a deployment to undo what it did and end; it does so before its next step, or at the next look."""
    return _note(journal, deployment, STOP, Grant(by, why, now), VALID_S)


def approval(entries: list[Entry], now: float) -> tuple[str, Grant] | None:
    """Return the last answer of a person to a deployment that waits, if it still holds: approve or refuse."""
    for entry in reversed(entries):
        if entry.kind == "note" and entry.step in (APPROVE, REFUSE):
            grant = _grant(entry)
            return (entry.step, grant) if entry.step == REFUSE or now < grant.expires_at else None
    return None


def stopped(entries: list[Entry]) -> Grant | None:
    """Return who asked a deployment to stop, if anybody did."""
    return next((_grant(entry) for entry in entries if entry.kind == "note" and entry.step == STOP), None)


def overrides(journal: Journal, model: str, digest: str, now: float) -> Mapping[str, Grant]:
    """Return the overrides by gate that hold for a candidate now; the latest of each gate."""
    found: dict[str, Grant] = {}
    for deployment in reversed(journal.deployments(model)):
        for entry in journal.entries(deployment.id):
            if entry.kind == "note" and entry.step == OVERRIDE:
                grant = _grant(entry)
                if grant.digest == digest and now < grant.expires_at:
                    found[grant.gate] = grant
    return found


def as_data(grants: Mapping[str, Grant]) -> dict[str, Any]:
    """Return grants as the journal holds them."""
    return {gate: asdict(grant) for gate, grant in grants.items()}


def _note(journal: Journal, deployment: str, step: str, grant: Grant, valid_s: float, *, over: bool = False) -> Entry:
    if not grant.by.strip() or not grant.why.strip():
        raise InvalidError(f"to {step} needs a name and a reason: both stand in the journal for good")
    if valid_s <= 0:
        raise InvalidError(f"to {step} holds for a time above 0, not {valid_s:g} s")
    found = journal.get(deployment)
    if found.ended is not None and not over:
        raise ConflictError(f"deployment '{deployment}' is over: {found.ended}", id=deployment, ended=found.ended)
    return journal.append(deployment, step, "note", asdict(grant), digest=grant.digest)


def _grant(entry: Entry) -> Grant:
    return Grant(**entry.data)
