"""The phases: each takes the stage and the course, proves one thing, and returns the sentence that says what it saw."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future

from plumbline.diagnosis.findings import Status
from plumbline.diagnosis.report import Result
from plumbline.handbook.fences import Step
from plumbline.lab.proof.course import Course, PhaseError, short
from plumbline.lab.proof.looks import Looks
from plumbline.lab.proof.stage import Stage
from plumbline.lab.proof.witness import Sample


def baseline(stage: Stage, course: Course) -> str:
    """The healthy lab, at one time: the workload is served, the linked diagnostic is ok, and no other is red.

    A lab that has just started may still settle: a worker that is seconds old has few connections, and that is so.
    """
    connected(stage)
    began = time.monotonic()
    first = stage.witness.look_at_all_beside()

    def judged() -> bool:
        course.healthy = first.result() if not course.healthy else stage.witness.look_at_all()
        linked = course.healthy.get(stage.subject.linked)
        if linked is None:
            raise PhaseError(f"there is no diagnostic '{stage.subject.linked}' in the catalogue")
        red = [f"{one.id} is {one.status}: {one.sentence}" for one in course.healthy.values() if one.status.red]
        if red and time.monotonic() - began > stage.patience.begin_s:
            raise PhaseError(f"nothing is broken, but {'; '.join(red)}")
        return linked.status is Status.OK and not red

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
    stage.looks = Looks(stage.witness, stage.patience)
    felt = stage.felt()

    def hurts() -> bool:
        nonlocal felt
        stage.glance()
        felt = stage.felt()
        return felt.hurts

    stage.wait(hurts, stage.patience.felt_s, lambda: f"the fault was injected, but no client feels it: {felt.sentence}")
    course.felt = course.felt or felt
    return felt.sentence


def red(stage: Stage, course: Course, once_told: Callable[[], object] = lambda: None) -> str:
    """The linked diagnostic is red with a declared cause; others are red only where the record says so.

    Args:
        stage: The broken lab.
        course: Where it is noted.
        once_told: Called at the first red, before the other diagnostics are looked at.
    """
    first = told(stage)
    course.red, course.time_to_red_s = first.result, first.moment - stage.injected_at
    once_told()
    everything = stage.witness.look_at_all_beside()
    stage.linger(everything)
    course.faulty = everything.result() | {first.result.id: first.result}
    if strangers := stage.strangers(course.faulty):
        raise PhaseError(f"red without being declared as collateral: {'; '.join(strangers)}")
    return f"{first.result.status} after {course.time_to_red_s:.1f} s ({first.result.cause}): {first.result.sentence}"


def told(stage: Stage) -> Sample:
    """Wait for the linked diagnostic's first red with a declared cause.

    Raises:
        PhaseError: It does not come.
    """

    def seen() -> bool:
        stage.glance()
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
        raise PhaseError(f"step '{step.id}' does not end within {long_s:.0f} s: {short(outcome.output)}")
    if outcome.code != 0:
        raise PhaseError(f"step '{step.id}' fails with exit code {outcome.code}: {short(outcome.output)}")
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
