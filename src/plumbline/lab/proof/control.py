"""The control: doing nothing stays red, and so does each decoy."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

from plumbline.diagnosis.findings import Status
from plumbline.lab.proof.course import Course, PhaseError, short
from plumbline.lab.proof.stage import Stage
from plumbline.lab.proof.witness import Sample


def control(stage: Stage, course: Course, fix_took_s: Callable[[], float | None] | None = None) -> str:
    """Doing nothing stays red and goes on hurting; and so does each decoy.

    Doing nothing began with the first red: every look since then counts.

    Args:
        stage: The broken lab.
        course: Where decoys are noted.
        fix_took_s: How long the guide's own fix took to turn green beside this, in seconds; None while it is not known.
    """
    _still_red(stage, "nothing was done", stage.patience.hold_s, stage.since_red())
    held = time.monotonic() - (stage.first_red.moment if stage.first_red else stage.injected_at)
    for step in stage.subject.decoys:
        outcome = stage.lab.run(step.code, timeout_s=stage.patience.step_s)
        if outcome.code != 0:
            raise PhaseError(f"the decoy '{step.id}' cannot be applied (exit {outcome.code}): {short(outcome.output)}")
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
