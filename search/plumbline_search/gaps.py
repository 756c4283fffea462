"""Queries without a guide, kept on this machine: bounded, redacted, and switched off with one variable."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from plumbline_search.answers import Answer
from plumbline_search.kinds import Kind, mask, telling

SWITCH = "PLUMBLINE_SEARCH_GAPS"
LONGEST = 200
"""Characters of a query that are kept."""
LARGEST_FILE = 128 * 1024
"""Bytes of the file; when it is larger, the older half goes."""
_SECRETS = (
    (re.compile(r"(?i)\b(?:bearer|basic)\s+\S+"), "[secret]"),
    (
        re.compile(
            r"(?i)\b([\w-]*(?:password|passwd|pwd|secret|token|api[_-]?key|authorization|cookie|credential)[\w-]*)\s*[=:]\s*\S+"
        ),
        r"\1=[secret]",
    ),
    (re.compile(r"\b(\w+://)[^\s/@]+@"), r"\1[secret]@"),
    (re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+"), "[address]"),
    (re.compile(r"\b(?=[A-Za-z0-9+/_\-=.]*\d)[A-Za-z0-9+/_\-=]{20,}\b"), "[secret]"),
)


def redact(text: str) -> str:
    """Take secrets, addresses, times and long numbers out of a query, and cut it."""
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return mask(text)[:LONGEST]


def record(answer: Answer, query: str, path: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> bool:
    """Append a query without a guide to the file; a file that cannot be written is no reason to fail a search.

    Args:
        answer: The answer, with `no_guide`.
        query: The whole query; of a log only its most telling line is kept.
        path: The file.
        now: The time.

    Returns:
        Whether it was recorded.
    """
    if not answer.no_guide or os.environ.get(SWITCH, "on").lower() in ("off", "0", "false", "no"):
        return False
    text = telling(query, LONGEST) if answer.kind == Kind.LOG.value else query
    entry = {
        "at": now().isoformat(timespec="seconds"),
        "kind": answer.kind,
        "query": redact(text),
        "nearest": answer.nearest[0].id if answer.nearest else None,
        "confidence": answer.confidence,
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(handle, "a", encoding="utf-8") as file:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")
        _bound(path)
    except OSError:
        return False
    return True


def _bound(path: Path) -> None:
    if path.stat().st_size <= LARGEST_FILE:
        return
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    kept = lines[len(lines) // 2 :]
    fresh = path.with_suffix(".partial")
    fresh.write_text("".join(kept), encoding="utf-8")
    fresh.chmod(0o600)
    fresh.replace(path)
