"""Bundles: redacted evidence and the report that follows from it, to be judged again elsewhere.

What is written was judged after redaction, so a replay, which has nothing else, comes to the same report.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from plumbline.diagnosis import archive
from plumbline.diagnosis.archive import BundleError
from plumbline.diagnosis.catalogue import Diagnostic
from plumbline.diagnosis.collect import adapter
from plumbline.diagnosis.redact import MAX_CHARACTERS, Redactor, secrets_of
from plumbline.diagnosis.report import Report, Result
from plumbline.diagnosis.runner import Event, Evidence, Runner
from plumbline.diagnosis.secrecy import Pseudonyms, Typed
from plumbline.evidence import Endpoint

_SECRET_NAME = re.compile(r"(?i)pass|secret|token|key|credential|auth|dsn|cookie")
_PACKAGES = ("psutil", "pydantic", "pyroute2")


@dataclass(frozen=True, slots=True)
class Bundle:
    """An opened bundle.

    Args:
        path: Its file.
        manifest: Versions, time, counts of redactions, hashes.
        report: The report as it was written.
        evidence: What was judged, by id of the diagnostic.
    """

    path: Path
    manifest: dict[str, Any]
    report: Report
    evidence: dict[str, Evidence]


@dataclass(frozen=True, slots=True)
class Wish:
    """What goes into a bundle.

    Args:
        ids: Diagnostics, by id; None for all.
        endpoint: The target.
        logs: Log files whose end is taken along.
        timeout_s: Upper bound for every time-out, in seconds.
    """

    ids: list[str] | None
    endpoint: Endpoint
    logs: tuple[Path, ...] = ()
    timeout_s: float | None = None
    cancel: threading.Event = field(default_factory=threading.Event)


def save(runner: Runner, wish: Wish, path: Path, on_event: Callable[[Event], None] | None = None) -> Bundle:
    """Collect, redact, judge what is left, and write it.

    Args:
        runner: Collects and judges.
        wish: What is wanted.
        path: The file to write.
        on_event: Hears of the collecting run.

    Raises:
        LookupError: An id is unknown.
        BundleError: A log cannot be read, or the file cannot be written.
    """
    net, typed = _redaction(wish.endpoint)
    logs = {f"logs/{number}-{_file_name(log)}": typed.text(_tail(log)) for number, log in enumerate(wish.logs, 1)}
    report, evidence = _redacted_run(runner, wish, typed, on_event)
    files = {"report.json": _dump(report.to_json()), **{name: text.encode() for name, text in logs.items()}}
    files |= {f"evidence/{name}.json": _dump({"id": name, "evidence": record}) for name, record in evidence.items()}
    hashes = {one.id: _hash(one.path) for one in runner.diagnostics}
    manifest = {
        "created_at": report.started_at,
        "target": report.target,
        "versions": _versions(),
        "diagnostics": {one.id: hashes[one.id] for one in report.results},
        "redaction": dict(sorted(net.counts.items())),
    }
    archive.write(path, files, manifest)
    return Bundle(path, manifest, report, evidence)


def shareable(runner: Runner, wish: Wish, on_event: Callable[[Event], None] | None = None) -> Report:
    """Return the report as a bundle would hold it: judged again from evidence that was redacted for sharing.

    Args:
        runner: Collects and judges.
        wish: What is wanted; its logs are not looked at.
        on_event: Hears of the collecting run; what it hears is not redacted for sharing.

    Raises:
        LookupError: An id is unknown.
    """
    return _redacted_run(runner, wish, _redaction(wish.endpoint)[1], on_event)[0]


def open_(path: Path) -> Bundle:
    """Read a bundle.

    Raises:
        BundleError: It is none, or damaged, altered, too large.
    """
    manifest, files = archive.read(path)
    if "report.json" not in files:
        raise BundleError(f"{path}: has no report.json")
    try:
        report = Report.from_json(archive.parse(path, "report.json", files["report.json"]))
    except ValueError as error:
        raise BundleError(f"{path}: report.json {error}") from None
    evidence = {}
    for name, data in files.items():
        if name.startswith("evidence/"):
            record = archive.parse(path, name, data)
            if not isinstance(record, dict) or not isinstance(record.get("evidence"), dict):
                raise BundleError(f"{path}: {name} holds no evidence")
            evidence[name.removeprefix("evidence/").removesuffix(".json")] = record["evidence"]
    return Bundle(path, manifest, report, evidence)


def replay(runner: Runner, bundle: Bundle) -> Report:
    """Judge a bundle's evidence with the diagnostics at hand; what had no evidence keeps its recorded result.

    Raises:
        BundleError: The catalogue lacks a diagnostic whose evidence the bundle holds.
    """
    known = {one.id for one in runner.diagnostics}
    for name in bundle.evidence:
        if name not in known:
            raise BundleError(
                f"{bundle.path}: holds evidence for '{name}', but this catalogue has no such diagnostic; "
                "name the catalogue that it was made with: plumb --catalogue DIR replay …"
            )
    return _rejudged(runner, bundle.report, bundle.evidence, threading.Event())


def changed(runner: Runner, bundle: Bundle) -> list[str]:
    """Return the ids whose diagnostic differs from the one that the bundle was made with."""
    made_with = bundle.manifest.get("diagnostics")
    made_with = made_with if isinstance(made_with, dict) else {}
    return [
        one.id for one in runner.diagnostics if one.id in bundle.evidence and made_with.get(one.id) != _hash(one.path)
    ]


def _redaction(endpoint: Endpoint) -> tuple[Redactor, Typed]:
    net = Redactor({*secrets_of(endpoint), *_secrets_of_environment()}, personal=True)
    names = Pseudonyms()
    names.know(endpoint, socket.gethostname())
    return net, Typed(net, names)


def _redacted_run(
    runner: Runner, wish: Wish, typed: Typed, on_event: Callable[[Event], None] | None
) -> tuple[Report, dict[str, Evidence]]:
    """Collect, redact, judge what is left: the report and the evidence as they may leave this machine."""
    raw: dict[str, Evidence] = {}
    collected = runner.run(wish.ids, wish.endpoint, on_event, wish.timeout_s, wish.cancel, keep=raw)
    by_id = {one.id: one for one in runner.diagnostics}
    evidence = {name: _redacted(by_id[name], raw[name], typed) for name in sorted(raw)}
    target = typed.text(wish.endpoint.name)
    first = replace(collected, target=target, results=tuple(_scrubbed(one, typed, target) for one in collected.results))
    return _rejudged(runner, first, evidence, wish.cancel), evidence


def _rejudged(runner: Runner, first: Report, evidence: dict[str, Evidence], cancel: threading.Event) -> Report:
    endpoint = Endpoint(name=first.target)
    judged = runner.run(sorted(evidence), endpoint, cancel=cancel, evidence=evidence)
    again = {result.id: result for result in judged.results}
    results = (
        replace(again[one.id], started_at=one.started_at, duration_s=one.duration_s) if one.id in again else one
        for one in first.results
    )
    return replace(first, results=tuple(results))


def _redacted(diagnostic: Diagnostic, evidence: Evidence, typed: Typed) -> Evidence:
    types = {need.name: need.evidence for need in diagnostic.judge.needs} if diagnostic.judge else {}
    redacted = {}
    for name, record in evidence.items():
        value = record["value"]
        if value is not None:
            round_trip = adapter(types[name])
            value = round_trip.dump_python(typed.record(round_trip.validate_python(value)), mode="json")
        texts = {"sentence": typed.text(record["sentence"]), "reads": [typed.text(line) for line in record["reads"]]}
        redacted[name] = {**record, **texts, "value": value}
    return redacted


def _scrubbed(result: Result, typed: Typed, target: str) -> Result:
    """A result that cannot be judged again: its texts are all there is."""
    reads = tuple(typed.text(line) for line in result.reads)
    return replace(result, target=target, sentence=typed.text(result.sentence), reads=reads)


def _tail(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            stream.seek(0, os.SEEK_END)
            size = stream.tell()
            stream.seek(max(0, size - MAX_CHARACTERS + 1))
            text = stream.read(MAX_CHARACTERS).decode("utf-8", "replace")
    except OSError as error:
        raise BundleError(f"{path}: the log cannot be read: {error.strerror}") from None
    # The first line may have lost its beginning, and with it the word that tells a secret.
    return text.partition("\n")[2] if size >= MAX_CHARACTERS else text


def _file_name(path: Path) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", path.name)[-80:]


def _secrets_of_environment() -> set[str]:
    return {value for name, value in os.environ.items() if _SECRET_NAME.search(name) and len(value) >= 8}


def _versions() -> dict[str, str]:
    from plumbline import __version__

    found = {"plumbline": __version__, "python": platform.python_version(), "platform": sys.platform}
    found |= {"kernel": platform.release()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # pyroute2 is for Linux only
            continue
    return found


def _hash(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:  # an entry point that could not be loaded has no file
        return ""


def _dump(data: Any) -> bytes:
    return json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False).encode()
