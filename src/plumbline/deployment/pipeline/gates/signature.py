"""Gate `signature`: does who calls production today still get what it relies on?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field

from plumbline.deployment.core.contract import Bump, Change, bump_of, compare
from plumbline.deployment.core.gates import Side, Situation
from plumbline.deployment.core.model import Arrays
from plumbline.deployment.core.semver import following, parse
from plumbline.deployment.core.verdicts import Outcome, Verdict
from plumbline.deployment.pipeline.closed import CLOSED, settings
from plumbline.deployment.pipeline.gates.callers import Refusal, refusals, refused, rows_of


@dataclass(frozen=True, slots=True)
class SignatureSettings:
    """Settings of the gate `signature`.

    Args:
        break_callers: Whether a broken contract may pass when the version rises by a major step, because all callers
            have been told and have moved.
        refused: Share of recent requests that the candidate may refuse.
    """

    __pydantic_config__: ClassVar[ConfigDict] = CLOSED
    break_callers: bool = False
    refused: Annotated[float, Field(strict=True, ge=0, lt=1)] = 0.0


def signature(situation: Situation) -> Iterator[Verdict]:
    """Compare the contracts; then hold recent requests of today's callers against the candidate's."""
    chosen = settings(SignatureSettings, situation.settings, "gate signature")
    candidate, production = situation.candidate, situation.production
    if candidate.model.signature != candidate.manifest.signature:
        yield Verdict(
            "signature",
            Outcome.FAIL,
            "the loaded model has another signature than its manifest promises: callers would be told a contract that "
            "nothing keeps",
        )
        return
    if production is None:
        yield Verdict("signature", Outcome.PASS, "first deployment: no caller relies on an older contract yet")
        return
    yield _contract(candidate, production, chosen)
    if situation.recent is not None:
        yield callers("signature/callers", candidate, situation.recent, chosen.refused)


def _contract(candidate: Side, production: Side, chosen: SignatureSettings) -> Verdict:
    changes = compare(production.manifest.signature, candidate.manifest.signature)
    bump = bump_of(changes)
    measured = _measured(changes, bump, candidate, production)
    too_low = _too_low(candidate, production, bump)
    if too_low:
        return Verdict("signature", Outcome.FAIL, f"{too_low}{_told(changes)}", measured)
    if bump is Bump.MAJOR and not chosen.break_callers:
        sentence = (
            f"breaks callers of {_name(production)}{_told(changes)}; where they have moved, say `break_callers: true`"
        )
        return Verdict("signature", Outcome.FAIL, sentence, measured)
    if bump is Bump.MAJOR and candidate.version is None:
        sentence = f"breaks callers, and has no version yet that says so{_told(changes)}"
        return Verdict("signature", Outcome.INCONCLUSIVE, sentence, measured)
    if not changes:
        return Verdict("signature", Outcome.PASS, f"same contract as {_name(production)}", measured)
    return Verdict("signature", Outcome.PASS, f"{bump.name.lower()} change{_told(changes)}", measured)


def _too_low(candidate: Side, production: Side, bump: Bump) -> str:
    """Return why the candidate's number is too low for what changed; empty when it is not, or not known."""
    same = candidate.model.digest == production.model.digest
    if same or candidate.version is None or production.version is None:
        return ""
    least = following(production.version, bump)
    if parse(candidate.version) >= parse(least):
        return ""
    what = bump.name.lower()
    return f"version {candidate.version} is too low after {production.version}: a {what} change asks for {least}"


def callers(gate: str, side: Side, recent: Arrays, allowed: float) -> Verdict:
    """Return whether a version takes the requests that today's callers send.

    Args:
        gate: Name of the verdict.
        side: The version that would have to answer them.
        recent: Their requests.
        allowed: Share that may be refused.
    """
    rows = rows_of(recent)
    if rows == 0:
        return Verdict(gate, Outcome.INCONCLUSIVE, "there is no recent request to try", {"rows": 0})
    reasons = refusals(side.manifest.signature, recent)
    share = float(refused(reasons, rows).mean())
    measured = {"rows": rows, "refused": share, "reasons": {one.feature: one.why for one in reasons}}
    outcome = Outcome.PASS if share <= allowed else Outcome.FAIL
    sentence = f"{_name(side)} refuses {share:.2%} of {rows} recent requests (at most {allowed:.2%}){_why(reasons)}"
    return Verdict(gate, outcome, sentence, measured)


def _why(reasons: Iterable[Refusal]) -> str:
    told = [f"'{one.feature}' {one.why} in {int(one.rows.sum())}" for one in reasons]
    return f": {', '.join(told[:3])}" if told else ""


def _told(changes: tuple[Change, ...]) -> str:
    worst = sorted(changes, key=lambda change: -change.bump)
    told = "; ".join(f"{change.where} {change.sentence}" for change in worst[:3])
    return f": {told}{f'; and {len(worst) - 3} more' if len(worst) > 3 else ''}" if worst else ""


def _measured(changes: tuple[Change, ...], bump: Bump, candidate: Side, production: Side) -> dict[str, Any]:
    return {
        "bump": bump.name.lower(),
        "candidate": candidate.version,
        "production": production.version,
        "changes": [
            {"bump": one.bump.name.lower(), "where": one.where, "sentence": one.sentence, "code": one.code}
            for one in changes
        ],
    }


def _name(side: Side) -> str:
    return side.version or "the candidate"
