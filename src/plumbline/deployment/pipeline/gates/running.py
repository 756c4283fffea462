"""Run gates one after the other: whatever one does, each answers with a verdict in time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from plumbline.deployment.core.errors import DeploymentError
from plumbline.deployment.core.gates import Gate, Situation
from plumbline.deployment.core.verdicts import Outcome, Verdict
from plumbline.deployment.pipeline.gates.offered import gate as offered
from plumbline.deployment.pipeline.parts import GateUse


def run_gates(
    situation: Situation,
    uses: Iterable[str | GateUse],
    *,
    gates: Mapping[str, Gate] | None = None,
    told: Callable[[str, Sequence[Verdict]], None] | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> list[Verdict]:
    """Ask gates in order. All are asked, also after one that failed: the author sees all that is wrong at once.

    Args:
        situation: What they look at. A gate that is given by name alone gets these settings.
        uses: Gates by name, or with settings and time limit.
        gates: Gates by name that come before those of the machine: with a staging twin, with keys.
        told: Called with each gate's name and verdicts as soon as it has answered.
        clock: For `took_s`, in seconds.

    Returns:
        The verdicts of all gates in order, several of a gate that answers with a suite. A gate that raises, is late, is
        not there or says nothing is inconclusive.
    """
    verdicts: list[Verdict] = []
    for one in uses:
        use = GateUse(one, situation.settings) if isinstance(one, str) else one
        started = clock()
        answered = _asked(use, replace(situation, settings=use.settings), gates or {})
        took_s = clock() - started
        timed = [replace(verdict, took_s=verdict.took_s or took_s / len(answered)) for verdict in answered]
        if told is not None:
            told(use.gate, timed)
        verdicts += timed
    return verdicts


def _asked(use: GateUse, situation: Situation, gates: Mapping[str, Gate]) -> list[Verdict]:
    answer: list[Verdict] = []
    raised: list[BaseException] = []

    def ask() -> None:
        try:
            gate = gates[use.gate] if use.gate in gates else offered(use.gate)
            answer.extend(_verdicts(use.gate, gate(situation)))
        except BaseException as error:  # noqa: BLE001 (whatever a gate raises, also SystemExit, is an answer)
            raised.append(error)

    # A daemon: a gate that never returns must not keep the process from ending.
    thread = threading.Thread(target=ask, name=f"gate {use.gate}", daemon=True)
    thread.start()
    thread.join(use.time_limit_s)
    if thread.is_alive():
        return [_cannot_tell(use.gate, f"gave no answer within {use.time_limit_s:g} s", reason="late")]
    if raised:
        return [_cannot_tell(use.gate, _said(raised[0]), reason=_reason(raised[0]))]
    return answer or [_cannot_tell(use.gate, "gave no verdict", reason="silent")]


def _verdicts(name: str, answered: Any) -> list[Verdict]:
    found = [answered] if isinstance(answered, Verdict) else list(answered)
    for one in found:
        if not isinstance(one, Verdict):
            raise TypeError(f"answered with {type(one).__name__}, not with verdicts")
    return [one if one.gate.split("/")[0] == name else replace(one, gate=f"{name}/{one.gate}") for one in found]


def _cannot_tell(name: str, sentence: str, **measured: Any) -> Verdict:
    return Verdict(name, Outcome.INCONCLUSIVE, f"cannot tell: {sentence}", measured)


def _said(error: BaseException) -> str:
    if isinstance(error, DeploymentError):
        return error.sentence
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _reason(error: BaseException) -> str:
    return error.reason if isinstance(error, DeploymentError) else "exception"
