"""The proof record: what the site's card and matrix show, and what search learns from (`plumbline.proof/1`)."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from plumbline.catalogue import Catalogue, ProblemId
from plumbline.diagnosis.findings import Status
from plumbline.handbook.inputs import hashes
from plumbline.handbook.records import Proof
from plumbline.lab.proof.course import Course
from plumbline.lab.proof.subject import Subject

SCHEMA = "plumbline.proof/1"


def record(catalogue: Catalogue, subject: Subject, course: Course, previous: dict[str, Any] | None) -> dict[str, Any]:
    """Return the record of a proof, its counts added to those of the previous record if nothing has changed since.

    Args:
        catalogue: Where the inputs lie.
        subject: What was proven.
        course: What happened.
        previous: The record so far.
    """
    inputs = hashes(catalogue, subject.id)
    counts = previous["likelihoods"] if previous and previous.get("inputs") == inputs else None
    found = {
        "schema": SCHEMA,
        "id": subject.id,
        "proven": course.proven,
        "proven_at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "duration_s": round(course.duration_s, 2),
        "time_to_red_s": _rounded(course.time_to_red_s),
        "time_to_green_s": _rounded(course.time_to_green_s),
        "phases": [
            {"name": one.name, "ok": one.ok, "sentence": one.sentence, "duration_s": round(one.duration_s, 2)}
            for one in course.phases
        ],
        "felt": course.felt.sentence if course.felt else None,
        "red": course.red.to_json() if course.red else None,
        "green": course.green.to_json() if course.green else None,
        "matrix": matrix(course),
        "likelihoods": likelihoods(subject.linked, course, counts),
        "found": [{"query": one.query, "register": one.register, "rank": one.rank} for one in course.found],
        "decoys": [{"id": name, "status": status} for name, status in course.decoys],
        "versions": course.versions,
        "inputs": inputs,
    }
    Proof.model_validate(found)  # the reader's schema is the handbook's; a record it refuses is a defect here
    return found


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)


def matrix(course: Course) -> dict[str, dict[str, str]]:
    """Return this fault's row: each diagnostic's status without and with it."""
    names = sorted(course.healthy.keys() | course.faulty.keys())
    told = {
        name: {
            "healthy": str(course.healthy[name].status if name in course.healthy else Status.UNKNOWN),
            "fault": str(course.faulty[name].status if name in course.faulty else Status.UNKNOWN),
        }
        for name in names
    }
    return told if course.faulty else {}


def likelihoods(linked: str, course: Course, before: dict[str, Any] | None) -> dict[str, dict[str, int]]:
    """Count the linked diagnostic's reds with and without the fault, on top of what was counted before.

    A proof gives one observation with the fault (once a client felt it), and up to two without: baseline and green.
    """
    told = {name: dict(count) for name, count in (before or {}).items()}
    fault = told.setdefault("red_given_fault", {"red": 0, "runs": 0})
    healthy = told.setdefault("red_given_healthy", {"red": 0, "runs": 0})
    if course.felt is not None:
        fault["runs"] += 1
        fault["red"] += course.red is not None
    if linked in course.healthy:
        healthy["runs"] += 1
        healthy["red"] += course.healthy[linked].status.red
    if course.green is not None:
        healthy["runs"] += 1
    return told


def path_of(catalogue: Catalogue, problem: str) -> Path:
    """Return where the record of a problem lies."""
    return catalogue.root / ProblemId.parse(problem).proof


def read(path: Path) -> dict[str, Any] | None:
    """Return a record, or None if there is none that can be read."""
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if found.get("schema") == SCHEMA else None


def write(path: Path, found: dict[str, Any]) -> None:
    """Write a record atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replacement = path.with_suffix(f".{os.getpid()}")
    replacement.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    replacement.replace(path)
