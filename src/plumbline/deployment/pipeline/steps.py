"""What each step does. All may be done again after a crash: they look at what is before they change it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from plumbline.deployment.core.errors import DeploymentError, FencedError
from plumbline.deployment.core.semver import parse
from plumbline.deployment.core.verdicts import Outcome, Verdict, together
from plumbline.deployment.pipeline import approvals
from plumbline.deployment.pipeline.journal import Deployment, Entry
from plumbline.deployment.pipeline.machine import Result, Step
from plumbline.deployment.pipeline.ports import Built, Work
from plumbline.deployment.pipeline.world import Facts, Moment, World


@dataclass(frozen=True, slots=True)
class Ended:
    """How a step ended.

    Args:
        result: In a word.
        sentence: In words.
        data: What was measured.
    """

    result: Result
    sentence: str
    data: dict[str, Any]


class Waiting(Exception):  # noqa: N818 - no error
    """A person has to say something first."""


def build(world: World, work: Work) -> tuple[Ended, Facts]:
    """Have the candidate registered, and note what it is to replace."""
    candidate = world.effect("build", work.build)
    facts = Facts(candidate, world.pointed())
    if facts.production == candidate:
        sentence = f"{candidate.version} is what '{world.plan.alias}' points at already"
        return Ended(Result.SAME, sentence, {"versions": facts.versions}), facts
    against = f"beside {facts.production.version}" if facts.production else "the first version to serve"
    return Ended(Result.OK, f"{candidate.version}, {against}", {"versions": facts.versions}), facts


def judged(
    world: World, name: str, verdicts: Callable[[], Iterable[Verdict]], grants: dict[str, approvals.Grant]
) -> Ended:
    """Collect verdicts and say what they are together; what a person answers for is recorded as overridden."""
    found: list[Verdict] = []

    def collect() -> None:
        for verdict in verdicts():
            found.append(verdict)
            sentence = f"{verdict.gate}: {verdict.outcome} · {verdict.sentence}"
            world.listen(Moment(name, "told", sentence, {"outcome": str(verdict.outcome)}))

    world.effect(name, collect)
    over = [one for one in found if not one.passed and one.gate in grants]
    rest = together(one for one in found if one not in over)
    data: dict[str, Any] = {"verdicts": msgspec.to_builtins(found)}
    if over:
        data["overridden"] = approvals.as_data({one.gate: grants[one.gate] for one in over})
        if len(over) == len(found):
            rest = Outcome.PASS
    result = {Outcome.PASS: Result.OK, Outcome.FAIL: Result.FAIL}.get(rest, Result.INCONCLUSIVE)
    if result is Result.OK and over:
        said = ", ".join(f"{one.gate} ({one.outcome}, by {grants[one.gate].by})" for one in over)
        return Ended(Result.OVERRIDDEN, f"overridden: {said}", data)
    bad = [f"{one.gate}: {one.sentence}" for one in found if not one.passed and one not in over]
    passed = sum(one.passed for one in found)
    return Ended(result, "; ".join(bad) if bad else f"{passed} of {len(found)} passed", data)


def tests(world: World, work: Work, facts: Facts) -> Ended:
    """Run the pipeline's tests; a pipeline without tests says so."""
    ended = judged(world, "test", lambda: work.test(facts.candidate), {})
    if not ended.data["verdicts"]:
        return Ended(Result.OK, "no test is declared", ended.data)
    return ended


def approval(deployment: Deployment, entries: list[Entry], now: float) -> Ended:
    """Ask whether a person has agreed, if one must.

    Raises:
        Waiting: Nobody has answered yet.
    """
    rules = deployment.plan.approval
    unsure = any(one.step == Step.GATES and one.data.get("result") == Result.INCONCLUSIVE for one in entries)
    facts = Facts.of(entries)
    needed = {
        "always": True,
        "inconclusive": unsure,
        "major": facts is not None and _breaks(facts.candidate, facts.production),
    }
    if not needed.get(rules.needed, False):
        return Ended(Result.OK, f"not needed (asked for: {rules.needed})", {})
    answer = approvals.approval(entries, now)
    if answer is not None:
        word, grant = answer
        if word == approvals.REFUSE:
            return Ended(Result.FAIL, f"refused by {grant.by}: {grant.why}", {})
        result = Result.OVERRIDDEN if unsure else Result.OK
        return Ended(result, f"approved by {grant.by}: {grant.why}", {"approval": approvals.as_data({"": grant})[""]})
    asked = next((one.at for one in entries if one.step == Step.APPROVAL and one.kind == "intent"), now)
    if now - asked >= rules.valid_s:
        return Ended(Result.FAIL, f"nobody approved within {rules.valid_s:g} s", {})
    raise Waiting(f"'{deployment.id}' waits for approval: plumb deployments approve {deployment.id} --why '…'")


def _breaks(candidate: Built, production: Built | None) -> bool:
    return production is not None and parse(candidate.version).major != parse(production.version).major


def prepare(world: World, facts: Facts, *, stages: int) -> Ended:
    """Load the candidate, and the baseline that it is compared with."""
    pointed = world.pointed()
    if pointed != facts.production:
        was, now = (one.version if one else "nothing" for one in (facts.production, pointed))
        return Ended(Result.FAIL, f"'{world.plan.alias}' pointed at {was} when judged, at {now} now: deploy anew", {})
    world.ready("prepare:candidate", facts.candidate.digest)
    if not stages or facts.production is None:
        return Ended(Result.OK, f"{facts.candidate.version} is loaded and checked", {})
    world.ready("prepare:production", facts.production.digest)
    baseline, why = world.copied("prepare:baseline", facts.production)
    return Ended(Result.OK, f"{facts.candidate.version} is loaded; the baseline is {why}", {"baseline": baseline})


def shares(entries: list[Entry], facts: Facts, share: float) -> tuple[dict[str, float], str]:
    """Return who gets what in a stage, and what the candidate is compared with."""
    production = facts.production
    assert production is not None  # noqa: S101 - there are no stages without one
    baseline = next(str(one.data["baseline"]) for one in reversed(entries) if "baseline" in one.data)
    if baseline == production.digest:
        return {baseline: 1 - share, facts.candidate.digest: share}, baseline
    wanted = {production.digest: 1 - 2 * share, facts.candidate.digest: share, baseline: share}
    return {name: part for name, part in wanted.items() if part > 0}, baseline


def promote(world: World, facts: Facts) -> Ended:
    """Move the alias: from here on the candidate is production. Then the servers follow."""
    if world.pointed() != facts.candidate:
        world.point("promote:alias", facts.candidate, facts.production, world.plan.why)
    try:
        world.ready("promote:prepare", facts.candidate.digest)
        world.share("promote:share", {facts.candidate.digest: 1.0})
    except FencedError:
        raise
    except DeploymentError as error:
        if facts.production in (None, facts.candidate):
            raise  # there is nothing to go back to: a later run goes on from here
        return Ended(Result.FAIL, error.sentence, error.as_dict())
    return Ended(Result.OK, f"{facts.candidate.version} serves all requests", {})


def settle(world: World, facts: Facts) -> Ended:
    """Let go of what is not needed. The version before stays loaded: the way back is short."""
    keep = {one.digest for one in (facts.candidate, facts.production) if one is not None}
    wrong = world.forget("settle:retire", *sorted(world.lane.serving().ready - keep))
    if wrong:
        return Ended(Result.FAIL, f"promoted, but not tidied up: {'; '.join(wrong)}", {})
    kept = f"; {facts.production.version} stays loaded for the way back" if len(keep) > 1 and facts.production else ""
    return Ended(Result.OK, f"tidied up{kept}", {})
