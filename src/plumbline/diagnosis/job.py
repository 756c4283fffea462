"""One job of a worker's child: load the diagnostic, collect (or take) its evidence, judge, and answer as plain data."""

from __future__ import annotations

import dataclasses
import math
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from plumbline.diagnosis import collect, confine
from plumbline.diagnosis.catalogue import Diagnostic, Origin, load_origin
from plumbline.diagnosis.declare import Judge
from plumbline.diagnosis.findings import Finding
from plumbline.diagnosis.redact import Redactor
from plumbline.diagnosis.report import finding_to_json
from plumbline.diagnosis.secrecy import secrets_in
from plumbline.evidence import Endpoint, UnavailableError


def warm() -> None:
    """Do now what the first job would do: the imports above, those of psutil, and what pydantic loads on first use."""
    import psutil  # noqa: F401 - imported once here, for every child

    collect.adapter(Endpoint)


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Do the job, confined; every failure is an answer.

    Args:
        request: `origin` (id, path, packages), `endpoint`, and `evidence` (parameter to record)
            when it comes from a bundle.

    Returns:
        `finding` or None, `reason`, `sentence`, `reads`, `evidence` (parameter to record, None where there is none).
    """
    state = _State()
    confine.limit_resources()
    confine.gain_nothing()
    sys.addaudithook(confine.forbidder(judging=lambda: state.judging))
    return answer(request, state)


class _State:
    """Whether the diagnostic's own code is running."""

    def __init__(self, *, lock: bool = True) -> None:
        self.judging = False
        self._lock = lock

    def judge(self) -> None:
        """From here on the diagnostic's own code runs."""
        if self._lock:
            confine.write_nowhere()
        self.judging = True


def answer(request: dict[str, Any], state: _State) -> dict[str, Any]:
    """Do the job; the caller has confined the process."""
    given = request["origin"]
    origin = Origin(given["id"], Path(given["path"]), frozenset(given["packages"]))
    try:
        diagnostic = load_origin(origin)
        if diagnostic.judge is None:
            return _failed("exception", str(diagnostic.broken))
        if request.get("evidence") is not None:
            gathered = _from_bundle(diagnostic.judge, request["evidence"])
        else:
            gathered = _collect(diagnostic, collect.adapter(Endpoint).validate_python(request["endpoint"]), state)
        return _judged(diagnostic, gathered, state)
    except UnavailableError as error:
        return _failed(error.reason, error.sentence)
    except BaseException as error:  # noqa: BLE001 - SystemExit and MemoryError too: whatever a diagnostic does, it is reported
        return _failed("exception", _told(error, origin.path))


def _collect(diagnostic: Diagnostic, endpoint: Endpoint, state: _State) -> list[collect.Gathered]:
    judge = diagnostic.judge
    assert judge is not None  # noqa: S101 - the caller has looked
    if endpoint.netns_of is not None:
        confine.enter_network_of(endpoint.netns_of)
        confine.die_with_parent()  # new credentials have cleared it
    if any(need.evidence.__module__.startswith("_plumbline_diagnostic_") for need in judge.needs):
        state.judge()  # its sources stand in the diagnostic's own file, so they are confined as it is
        state.judging = False
    return collect.gather(judge, endpoint)


def _from_bundle(judge: Judge, records: dict[str, Any]) -> list[collect.Gathered]:
    found = []
    for need in judge.needs:
        record = records.get(need.name) or {
            "value": None,
            "reason": "not_configured",
            "sentence": "the bundle lacks it",
        }
        value = record["value"]
        if value is not None:
            value = collect.adapter(need.evidence).validate_python(value)
        reads = tuple(record.get("reads", ()))
        found.append(collect.Gathered(need.name, value, record["reason"], record["sentence"], reads))
    return found


def _judged(diagnostic: Diagnostic, gathered: list[collect.Gathered], state: _State) -> dict[str, Any]:
    judge = diagnostic.judge
    assert judge is not None  # noqa: S101 - the caller has looked
    evidence = {
        got.name: {
            "type": need.evidence.__name__,
            "value": None if got.value is None else collect.adapter(need.evidence).dump_python(got.value, mode="json"),
            "reason": got.reason,
            "sentence": got.sentence,
            "reads": list(got.reads),
        }
        for need, got in zip(judge.needs, gathered, strict=True)
    }
    clean = Redactor(set().union(*(secrets_in(got.value) for got in gathered))).text
    reads = list(dict.fromkeys(line for got in gathered for line in got.reads))
    gap = collect.missing(judge, gathered)
    if gap is not None:
        return _failed(gap.reason or "not_configured", gap.sentence) | {"reads": reads, "evidence": evidence}
    state.judge()
    try:
        finding = judge(*(got.value for got in gathered))
        return {"finding": _sound(finding, clean), "reason": None, "sentence": "", "reads": reads, "evidence": evidence}
    except BaseException as error:  # noqa: BLE001 - as in answer(), but what was read is known by now
        told = _failed("exception", clean(_told(error, diagnostic.path)))
        return told | {"reads": reads, "evidence": evidence}


def _sound(finding: object, clean: Callable[[str], str]) -> dict[str, Any]:
    """Return a finding as plain data; its texts are free of what the secret fields of its evidence hold."""
    if not isinstance(finding, Finding):
        raise TypeError(f"it returned {type(finding).__name__}, not a Finding")
    for measure in finding.measures:
        if not math.isfinite(measure.value):
            raise ValueError(f"its measure '{measure.name}' is {measure.value}, which is no number")
    impact = finding.impact and clean(finding.impact)
    steps = tuple(map(clean, finding.next))
    return finding_to_json(dataclasses.replace(finding, sentence=clean(finding.sentence), impact=impact, next=steps))


def _failed(reason: str, sentence: str) -> dict[str, Any]:
    return {"finding": None, "reason": reason, "sentence": sentence, "reads": [], "evidence": {}}


def _told(error: BaseException, path: Path) -> str:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    where = f" ({os.path.basename(path)}:{frames[-1].lineno})" if frames else ""  # noqa: PTH119 - works without stat
    if isinstance(error, confine.ForbiddenError):
        return f"the diagnostic was stopped: {error}{where}"
    return f"the diagnostic failed: {type(error).__name__}: {error}".rstrip(": ") + where
