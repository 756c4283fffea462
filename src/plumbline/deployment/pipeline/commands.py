"""Commands of a pipeline: started without a shell, with few variables, watched by a clock, their output kept."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from plumbline.deployment.core.errors import DeploymentError
from plumbline.deployment.pipeline.parts import Business, Step

KEPT = ("HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "USER", "VIRTUAL_ENV", "SSL_CERT_FILE")
"""Variables of the deployer that every command sees; beside them PATH, and what the step names."""

TAIL = 4_096
"""Bytes of a command's output that its error carries; the whole stands in the log."""

ANSWER = 1 << 20
"""Bytes of an answer that are read; counts by version are a few hundred."""


@dataclass(frozen=True, slots=True)
class Ran:
    """A command that has ended.

    Args:
        command: As it was started.
        code: Its exit code; negative for a signal.
        output: The end of what it wrote to both streams, at most `TAIL` bytes.
        took_s: In seconds.
    """

    command: tuple[str, ...]
    code: int
    output: str
    took_s: float


class CommandError(DeploymentError):
    """A command that failed, could not be started, or took too long."""

    reason = "command_failed"


def run(
    step: Step,
    folder: Path,
    log: Path,
    variables: Mapping[str, str] | None = None,
    answer: IO[bytes] | None = None,
) -> Ran:
    """Run one command to its end; what it leaves running in the background is killed.

    Args:
        step: The command.
        folder: Where it starts.
        log: File that takes its whole output, appended.
        variables: Set beside the step's own, such as where a candidate is to be left.
        answer: Takes what it prints on stdout instead of the log, of a command that is asked for something.

    Raises:
        CommandError: It could not be started, ended with another code than 0, or was killed at its time limit.
    """
    command = words(step.run)
    log.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with log.open("ab") as stream:
        begins = stream.tell()
        try:
            process = _start(command, folder, environment(step, variables or {}), (answer or stream, stream))
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            raise CommandError(f"'{shlex.join(command)}' cannot be started in {folder}: {why}") from error
        in_time = _ended(process, step.time_limit_s)
    ran = Ran(command, process.returncode, _tail(log, begins), time.monotonic() - started)
    if not in_time:
        raise _failed(ran, f"was killed after its time limit of {step.time_limit_s:g} s", log)
    if ran.code != 0:
        raise _failed(ran, f"ended with code {ran.code}" if ran.code > 0 else f"was ended by signal {-ran.code}", log)
    return ran


def run_all(steps: Iterable[Step], folder: Path, log: Path, variables: Mapping[str, str] | None = None) -> list[Ran]:
    """Run commands in order; the first that fails ends it.

    Raises:
        CommandError: One failed.
    """
    return [run(step, folder, log, variables) for step in steps]


def answered(business: Business, folder: Path, log: Path, variables: Mapping[str, str]) -> bytes:
    """Return what a command of the business prints; its errors go into the log.

    Raises:
        CommandError: It failed.
    """
    step = Step(business.run, business.time_limit_s, business.environment, business.keep)
    with tempfile.TemporaryFile() as answer:
        run(step, folder, log, variables, answer)
        answer.seek(0)
        return answer.read(ANSWER)


def words(command: str | tuple[str, ...]) -> tuple[str, ...]:
    """Return the words of a command.

    Raises:
        CommandError: A quote is not closed, or there is no word.
    """
    try:
        found = tuple(shlex.split(command)) if isinstance(command, str) else command
    except ValueError as error:
        raise CommandError(f"'{command}' is no command: {error}") from error
    if not found:
        raise CommandError("a step has no command")
    return found


def environment(step: Step, variables: Mapping[str, str]) -> dict[str, str]:
    """Return what a command sees: secrets of the deployer are none of its business unless the step keeps them."""
    here = {name: os.environ[name] for name in (*KEPT, *step.keep) if name in os.environ}
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
    return {**here, "PATH": path, "PYTHONUNBUFFERED": "1", **variables, **step.environment}


def _start(
    command: tuple[str, ...], folder: Path, variables: dict[str, str], streams: tuple[IO[bytes], IO[bytes]]
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        cwd=folder,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=streams[0],
        stderr=streams[1],
        start_new_session=True,
    )


def _ended(process: subprocess.Popen[bytes], limit_s: float) -> bool:
    """Return whether it ended by itself in time; all of its session that still runs is killed."""
    try:
        process.wait(limit_s)
    except subprocess.TimeoutExpired:
        return False
    else:
        return True
    finally:
        with contextlib.suppress(
            ProcessLookupError, PermissionError
        ):  # all have ended; macOS refuses to signal a zombie
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _tail(log: Path, begins: int) -> str:
    with log.open("rb") as stream:
        end = stream.seek(0, os.SEEK_END)
        stream.seek(max(begins, end - TAIL))
        return stream.read().decode("utf-8", "replace").strip()


def _failed(ran: Ran, what: str, log: Path) -> CommandError:
    last = ran.output.splitlines()[-1:] or ["it wrote nothing"]
    return CommandError(
        f"'{shlex.join(ran.command)}' {what}: {last[0][:400]} (all of its output: {log})",
        command=list(ran.command),
        code=ran.code,
        output=ran.output,
        log=str(log),
    )
