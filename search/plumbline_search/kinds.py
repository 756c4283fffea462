"""What kind of query it is, by its form alone: a question, an error line, or a log."""

from __future__ import annotations

import re
from enum import StrEnum

LONGEST_LEXICAL = 4_000
"""Characters of a log that the lexical lanes read; the lines that tell most are chosen first."""
LONGEST_LINE = 1_000
"""Characters of one line that are read."""


class Kind(StrEnum):
    """The three kinds; each has its own weights."""

    QUESTION = "question"
    ERROR = "error"
    LOG = "log"


_STAMP = re.compile(
    r"\b\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d"
    r"|\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) +\d{1,2} \d\d:\d\d:\d\d"
    r"|^\s*\[ *\d+\.\d{3,}\]|^\S*\d\d:\d\d:\d\d[.,]\d+|\b\d{2}/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d"
)
_LEVEL = re.compile(
    r"\b(?:DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|CRITICAL|FATAL|PANIC)\b|\[(?:warn|error|crit|alert|emerg|notice)\]"
)
_FRAME = re.compile(
    r'^\s*File "[^"]+", line \d+|^\s+at [\w.$<>]+\(|^Traceback \(most recent call last\)|^goroutine \d+', re.MULTILINE
)
_TROUBLE = re.compile(
    r"(?i)\b(?:error|exception|fatal|panic|fail(?:ed|ure)?|refused|reset|timed? ?out|timeout|killed|kill|oom|denied"
    r"|cannot|can't|unable|abort(?:ed)?|overflow|exhausted|too many|out of|dropped|dropping|disconnect(?:ed)?|closed"
    r"|limit|full|exceeded|invalid|stalled|errno)\b|\w+(?:Error|Exception)\b"
)
_ERROR = re.compile(
    r"\b[A-Z]\w*(?:Error|Exception|Warning)\b|\bE[A-Z]{4,}\b|\[Errno -?\d+\]|\berrno\b"
    r"|\b(?:error|fatal|panic|exception)\b ?:|^\w[\w.\-/ ]{0,40}\[\d+\]:|\b\w+=[^\s=]+ +\w+=\S+|\(\d+: [A-Z][^)]+\)"
    r"|\b(?:status|code|exit(?:ed)? (?:with )?code)[ =:]+\d{3,4}\b|:\s+\S.*:\s+\S|\bcode ?[=:] ?\d+"
    # Docker and kubectl begin so; SQLAlchemy names a driver's exception in brackets; an event has type and reason.
    r"|^\W*(?:[Ff]ailed|[Uu]nable) to [a-z]+ |\((?:\w+\.)+[A-Z]\w+\)|^(?:Normal|Warning) +[A-Z][a-z]+[A-Za-z]* "
)
_ASKS = re.compile(r"(?i)^\W*(?:why|how|what|when|where|which|who|is|are|does|do|can|could|should|my|our|we|i)\b")
_VARIABLE = (
    (re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", re.IGNORECASE), " "),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?"), " "),
    (re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}(?::\d+)?\b"), " "),
    (re.compile(r"\b0x[0-9a-f]+\b|\b[0-9a-f]{12,}\b", re.IGNORECASE), " "),
    (re.compile(r"\b\d\d:\d\d:\d\d(?:[.,]\d+)?\b"), " "),
    (re.compile(r"\b\d{6,}\b"), " "),
)


def kind_of(query: str) -> Kind:
    """Tell the kind of a query: a log has several lines of a program, an error is one, all else is a question."""
    lines = [line for line in query.splitlines() if line.strip()]
    looks = sum(1 for line in lines[:50] if _STAMP.search(line) or _LEVEL.search(line))
    if _FRAME.search(query) or (len(lines) > 1 and looks) or len(lines) > 3:
        return Kind.LOG
    if looks:
        return Kind.ERROR
    if query.rstrip().endswith("?") or _ASKS.match(query):
        return Kind.QUESTION
    return Kind.ERROR if _ERROR.search(query) else Kind.QUESTION


def mask(line: str) -> str:
    """Drop what differs between two occurrences of one event: time, address, hash, long number; codes stay."""
    for pattern, instead in _VARIABLE:
        line = pattern.sub(instead, line)
    return " ".join(line.split())


def telling(log: str, budget: int = LONGEST_LEXICAL) -> str:
    """Return the lines of a log that tell most, masked, each event once, in their order.

    Args:
        log: Any number of lines.
        budget: Characters to return at most.
    """
    seen: dict[str, tuple[int, int]] = {}
    for number, raw in enumerate(log.splitlines()):
        line = mask(raw[:LONGEST_LINE])
        event = re.sub(r"\d+", "0", line)
        if line and event not in seen:
            seen[event] = (_weight(line, raw), number)
    lines = log.splitlines()
    chosen: list[int] = []
    used = 0
    for _, number in sorted(seen.values(), key=lambda item: (-item[0], -item[1])):
        length = len(mask(lines[number][:LONGEST_LINE])) + 1
        if used + length > budget:
            continue
        chosen.append(number)
        used += length
    return "\n".join(mask(lines[number][:LONGEST_LINE]) for number in sorted(chosen))


def _weight(line: str, raw: str) -> int:
    level = _LEVEL.search(raw)
    severe = bool(level and level[0].strip("[]").upper() not in ("DEBUG", "INFO", "NOTICE"))
    return 2 * severe + 2 * min(2, len(_TROUBLE.findall(line)))
