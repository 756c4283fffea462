"""From a look to a pipeline run: decide, start it once, say why, and write down how it ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from plumbline.deployment.core.durations import told
from plumbline.deployment.retraining.decide import Act, Decision
from plumbline.deployment.retraining.rules import Observation, Rules
from plumbline.deployment.retraining.state import Store

WHY = "{why}"
"""Stands in a command for the sentence."""

_TAIL = 400  # bytes of a failed command's output that are remembered


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended.

    Args:
        well: Whether it did what it should.
        detail: For people, of a failure.
    """

    well: bool
    detail: str = ""


Start = Callable[[str, int], Ended]
"""Runs a pipeline and waits for its end: the sentence that says why, and the lock that the run must keep open."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a look.

    Args:
        decision: What was decided, and why.
        run: Number of the run that was started; None without one.
        ended: How it ended; None without one.
    """

    decision: Decision
    run: int | None = None
    ended: Ended | None = None


def retrain(
    store: Store, rules: Rules, seen: Observation, start: Start, clock: Callable[[], float] = time.time
) -> Result:
    """Decide, and when it is time, start a run and wait for it.

    Whoever else looks meanwhile is told to wait. A run that fails counts for cool-down and budget as one that went
    well: what fails at night fails fourteen times without that.

    Args:
        store: What is remembered.
        rules: Of the model.
        seen: What is observed now.
        start: Runs the pipeline.
        clock: Unix time.
    """
    with store.alone(rules.model) as lock:
        if lock is None:
            return Result(Decision(Act.WAIT, f"A training of {rules.model} is running; there is one at a time."))
        store.forget_lost(rules.model)
        decision, run = store.look(rules, seen, start=True)
        if run is None:
            return Result(decision)
        try:
            ended = start(decision.sentence, lock)
        except BaseException as error:
            store.end(run, clock(), "failed", f"{type(error).__name__}: {error}")
            raise
        store.end(run, clock(), "done" if ended.well else "failed", ended.detail)
        return Result(decision, run, ended)


def command(words: Sequence[str], output: Path, folder: Path, timeout_s: float | None = None) -> Start:
    """Return a start that runs a command; its output goes into a file.

    Args:
        words: Program and arguments; `{why}` in them becomes the sentence.
        output: Appended to.
        folder: The working folder.
        timeout_s: Time after which the command and what it started are killed, in seconds; None: none.
    """

    def start(why: str, lock: int) -> Ended:
        given = [word.replace(WHY, why) for word in words]
        output.parent.mkdir(parents=True, exist_ok=True)
        with output.open("ab") as file:
            try:
                child = subprocess.Popen(
                    given, stdin=subprocess.DEVNULL, stdout=file, stderr=file, cwd=folder, pass_fds=(lock,),
                    start_new_session=True,
                )  # fmt: skip
            except OSError as error:
                return Ended(False, f"{given[0]}: {error.strerror}")
            return _awaited(child, output, timeout_s)

    return start


def _awaited(child: subprocess.Popen[bytes], output: Path, timeout_s: float | None) -> Ended:
    try:
        code = child.wait(timeout_s)
    except subprocess.TimeoutExpired:
        _kill(child)
        return Ended(False, f"it was killed: not done after {told(timeout_s or 0.0)}")
    except BaseException:
        _kill(child)
        raise
    if code == 0:
        return Ended(True)
    return Ended(False, f"exit code {code}: {_tail(output)}")


def _kill(child: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _tail(output: Path) -> str:
    with output.open("rb") as file:
        file.seek(max(0, output.stat().st_size - _TAIL))
        lines = file.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it printed nothing"


def deploying(pipeline: Path) -> list[str]:
    """Return the command that trains and deploys: `plumb deploy PIPELINE --why …`, of this installation."""
    beside = Path(sys.executable).with_name("plumb")
    return [str(beside) if beside.exists() else "plumb", "deploy", str(pipeline), "--why", WHY]
