"""The phases: each takes the stage and the course, proves one thing, and returns the sentence that says what it saw."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial

from plumbline.catalogue import Catalogue
from plumbline.diagnosis.findings import Status
from plumbline.diagnosis.report import Result
from plumbline.handbook.fences import Step
from plumbline.lab.proof.course import Course, Found, PhaseError
from plumbline.lab.proof.stage import Stage
from plumbline.lab.proof.witness import Sample

RANK = 3
"""The guide must be among the first three answers."""
LOG_LINES = 50
"""An operator pastes the end of a log, not all of it."""
Find = Callable[..., list[dict[str, object]]]


def baseline(stage: Stage, course: Course) -> str:
    """The healthy lab, at one time: the workload is served, the linked diagnostic is ok, and no other is red."""
    connected(stage)
    first = stage.witness.look_at_all_beside()

    def judged() -> bool:
        course.healthy = first.result() if not course.healthy else stage.witness.look_at_all()
        linked = course.healthy.get(stage.subject.linked)
        if linked is None:
            raise PhaseError(f"there is no diagnostic '{stage.subject.linked}' in the catalogue")
        red = [f"{one.id} is {one.status}: {one.sentence}" for one in course.healthy.values() if one.status.red]
        if red:
            raise PhaseError(f"nothing is broken, but {'; '.join(red)}")
        return linked.status is Status.OK

    def unjudged() -> str:
        linked = course.healthy[stage.subject.linked]
        return f"nothing is broken, but {linked.id} is {linked.status}: {linked.sentence}"

    stage.wait(judged, stage.patience.settle_s, unjudged)
    enough(stage)  # after the diagnostics: the workload was served while they looked
    course.baseline = stage.service()
    ok = sum(result.status is Status.OK for result in course.healthy.values())
    return f"{ok} of {len(course.healthy)} diagnostics ok, none red; {course.baseline}"


def served(stage: Stage) -> None:
    """Wait until the workload is served as it should be.

    Raises:
        PhaseError: It never is.
    """
    connected(stage)
    enough(stage)


def connected(stage: Stage) -> None:
    """Wait until all clients are connected; what they met on the way counts no longer.

    Raises:
        PhaseError: Some never are.
    """

    def complete() -> bool:
        service = stage.service()
        return service.clients == service.clients_wanted

    stage.wait(
        complete,
        stage.patience.settle_s,
        lambda: f"not all clients can connect: {stage.service()}; {'; '.join(stage.service().errors)}",
    )
    stage.lab.mark()


def enough(stage: Stage) -> None:
    """Wait for a whole window in which the workload was served as it should be.

    Raises:
        PhaseError: It never is.
    """
    stage.wait(
        lambda: not stage.unserved(),
        stage.patience.settle_s,
        lambda: f"the healthy lab does not serve its workload: {'; '.join(stage.unserved())}",
    )


def inject(stage: Stage, course: Course) -> str:
    """Break it: the independent clients feel it. The diagnostic is asked meanwhile, so that its time is its own."""
    stage.lab.mark(logs=True)
    stage.injected_at = time.monotonic()
    stage.fault.inject(stage.lab)
    felt = stage.felt()

    def hurts() -> bool:
        nonlocal felt
        if stage.first_red is None:
            stage.look()
        felt = stage.felt()
        return felt.hurts

    stage.wait(hurts, stage.patience.felt_s, lambda: f"the fault was injected, but no client feels it: {felt.sentence}")
    course.felt = course.felt or felt
    return felt.sentence


def red(stage: Stage, course: Course) -> str:
    """The linked diagnostic is red with a declared cause; others are red only where the record says so."""
    first = told(stage)
    course.red, course.time_to_red_s = first.result, first.moment - stage.injected_at
    course.faulty = stage.witness.look_at_all() | {first.result.id: first.result}
    if strangers := stage.strangers(course.faulty):
        raise PhaseError(f"red without being declared as collateral: {'; '.join(strangers)}")
    return f"{first.result.status} after {course.time_to_red_s:.1f} s ({first.result.cause}): {first.result.sentence}"


def told(stage: Stage) -> Sample:
    """Wait for the linked diagnostic's first red with a declared cause.

    Raises:
        PhaseError: It does not come.
    """

    def seen() -> bool:
        if stage.first_red is None:
            stage.look()
        return stage.first_red is not None

    limit = stage.subject.problem.proof.detect_within_s * stage.patience.stretch
    stage.wait(
        seen,
        max(limit - (time.monotonic() - stage.injected_at), 1.0),
        lambda: (
            f"the fault hurts, but it is not told with a declared cause ({', '.join(sorted(stage.causes))}): "
            f"{stage.last_words()}{_cause(stage)}"
        ),
    )
    assert stage.first_red is not None  # noqa: S101 - the wait has just seen to it; for the type checker
    return stage.first_red


def _cause(stage: Stage) -> str:
    samples = stage.witness.samples
    return f" (cause '{samples[-1].result.cause}')" if samples and samples[-1].red else ""


def found(stage: Stage, course: Course, catalogue: Catalogue, find: Find | None) -> str:
    """The search leads to the guide: from the record's paraphrases, and from the log of this very fault."""
    if find is None:
        raise PhaseError("no search is installed, so nothing can be found: pip install 'plumbline[search]'")
    queries = [(text, "paraphrase") for text in stage.subject.problem.paraphrases]
    log = "\n".join(stage.fault.logs(stage.lab).strip().splitlines()[-LOG_LINES:])
    if log:
        queries.append((log, "log"))
    elif stage.subject.problem.signatures:
        raise PhaseError("the record declares log signatures, but nothing was logged while the fault lasted")
    for query, register in queries:
        answers = [str(answer["id"]) for answer in find(query, catalogue=catalogue, limit=10)]
        pages = list(dict.fromkeys(answers))
        rank = pages.index(stage.subject.id) + 1 if stage.subject.id in pages else None
        course.found.append(Found(query[:500], register, rank))
    missed = [one for one in course.found if one.rank is None or one.rank > RANK]
    if missed:
        what = "; ".join(f"{_short(one.query)!r} puts it at {one.rank or 'no'} rank" for one in missed)
        raise PhaseError(f"the search does not lead to the guide: {what}")
    worst = max(one.rank or 0 for one in course.found)
    kinds = f"{len(course.found)} queries{', the captured log among them' if log else ''}"
    return f"{kinds}: rank 1 for all" if worst == 1 else f"{kinds}: rank {worst} at worst"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 80 else f"{line[:79]}…"


def control(stage: Stage, course: Course, fix_took_s: Callable[[], float | None] | None = None) -> str:
    """Doing nothing stays red and goes on hurting; and so does each decoy.

    Doing nothing began with the first red: every look since then counts.

    Args:
        stage: The broken lab.
        course: Where decoys are noted.
        fix_took_s: How long the guide's own fix took to turn green beside this, in seconds; None while it is not known.
    """
    idle = [sample for sample in stage.witness.samples if stage.first_red and sample.moment >= stage.first_red.moment]
    _still_red(stage, "nothing was done", stage.patience.hold_s, idle)
    held = time.monotonic() - (stage.first_red.moment if stage.first_red else stage.injected_at)
    for step in stage.subject.decoys:
        outcome = stage.lab.run(step.code, timeout_s=stage.patience.step_s)
        if outcome.code != 0:
            raise PhaseError(f"the decoy '{step.id}' cannot be applied (exit {outcome.code}): {_short(outcome.output)}")
        stage.lab.mark()
        status = _still_red(stage, f"the decoy '{step.id}' was applied", partial(_chance_s, stage, fix_took_s))
        course.decoys.append((step.id, str(status)))
    tried = "".join(f"; decoy '{name}': {status}" for name, status in course.decoys)
    return f"left alone, it stays red ({held:.1f} s watched){tried}"


def _chance_s(stage: Stage, fix_took_s: Callable[[], float | None] | None) -> float:
    """Return how long a decoy may take to work, in seconds: longer than the fix took beside it."""
    took_s = fix_took_s() if fix_took_s is not None else None
    if took_s is not None:
        more_s = min(stage.patience.hold_s, took_s * (stage.patience.decoy_factor - 1))
        return max(stage.patience.hold_s, took_s + more_s)
    return max(stage.patience.hold_s, min(stage.subject.problem.proof.recover_within_s, stage.patience.decoy_s))


def _still_red(stage: Stage, what: str, hold_s: Callable[[], float] | float, before: Sequence[Sample] = ()) -> Status:
    long_s = hold_s() if callable(hold_s) else hold_s
    limit = stage.subject.problem.proof.detect_within_s * stage.patience.stretch + long_s
    stays_red, samples = stage.settle(
        limit, hold_s=hold_s, served=lambda: not stage.felt().hurts, red_ends=True, before=before
    )
    if not stays_red:
        raise PhaseError(f"{what}, and yet it is ok again: {samples[-1].result.sentence}")
    felt = stage.felt()

    def hurts() -> bool:
        nonlocal felt
        felt = stage.felt()
        return felt.hurts

    stage.wait(hurts, limit, lambda: f"{what}, and yet no client feels it any more: {felt.sentence}")
    return samples[-1].result.status


def fix(stage: Stage, course: Course) -> str:
    """Execute the guide's own steps, in page order."""
    del course
    if not stage.subject.fixes:
        raise PhaseError(f"{stage.subject.guide.source}: has no executable fix, no fence with .fix")
    stage.crew = stage.lab.crew()
    for step in stage.subject.fixes:
        apply(stage, step)
    stage.lab.mark()
    done = ", ".join(step.id for step in stage.subject.fixes)
    return f"executed {len(stage.subject.fixes)} of {len(stage.subject.fixes)} steps of the guide: {done}"


def apply(stage: Stage, step: Step, limit_s: float | None = None) -> str:
    """Execute one step, for `limit_s` seconds at most (None: the patience's), and return what it printed.

    Raises:
        PhaseError: It fails or does not end.
    """
    long_s = stage.patience.step_s if limit_s is None else limit_s
    outcome = stage.lab.run(step.code, timeout_s=long_s)
    if outcome.code is None:
        raise PhaseError(f"step '{step.id}' does not end within {long_s:.0f} s: {_short(outcome.output)}")
    if outcome.code != 0:
        raise PhaseError(f"step '{step.id}' fails with exit code {outcome.code}: {_short(outcome.output)}")
    return outcome.output


def green(stage: Stage, course: Course, began: float) -> str:
    """The diagnostic is ok and stays so, the workload is served as in the baseline, and nothing was deleted for it."""
    limit = stage.subject.problem.proof.recover_within_s * stage.patience.stretch

    beside: Future[dict[str, Result]] | None = None

    def served_again() -> bool:
        nonlocal beside
        again = not stage.felt().hurts and not stage.unserved(course.baseline)
        if again and beside is None:
            beside = stage.witness.look_at_all_beside()
        return again

    try:
        _, samples = stage.settle(limit, hold_s=stage.patience.hold_s, served=served_again, red_ends=False)
    except PhaseError as error:
        felt, unserved = stage.felt(), stage.unserved(course.baseline)
        rest = f"; {felt.sentence}" + (f"; {', '.join(unserved)}" if unserved else "")
        raise PhaseError(f"the fix was applied, but {error}{rest}") from None
    results = beside.result() if beside else {}
    if not results or results[stage.subject.linked].status is not Status.OK or stage.strangers(results):
        results = stage.witness.look_at_all()  # it began too early, or it is so: this one decides
    if strangers := stage.strangers(results):
        raise PhaseError(f"the fix was applied, and now {'; '.join(strangers)}")
    if (last := results[stage.subject.linked]).status.red:
        raise PhaseError(f"the fix was applied, and {last.id} was ok, but is {last.status} again: {last.sentence}")
    course.green = samples[-1].result
    course.time_to_green_s = samples[0].moment - began
    return f"ok {course.time_to_green_s:.1f} s after the fix began, and it stays so; {stage.service()}"
