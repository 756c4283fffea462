"""How a model server's memory moves while it loads models: from its process, beside its own counts."""

from __future__ import annotations

import itertools
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from plumbline.evidence import UnavailableError

PROC = Path("/proc")
LOOKS = 30
"""Over a window, however long it is."""
_LONGEST = 4 << 20
_SAMPLE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{[^}]*\})?\s+(\S+)", re.MULTILINE)
_LOADS = re.compile(r"(?:^|[_:])(?:re)?loads?(?:ed)?(?:_attempt|_success)?(?:_total|_count)$")
_REQUESTS = re.compile(r"(?:request|infer|inference|predict|prediction)s?(?:_success|_request)?(?:_total|_count)$")


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a process and its counts.

    Args:
        at: Moment, in seconds.
        private: Bytes of its own pages, swapped ones too.
        mapped: Bytes of files that it has mapped, of which memory holds a copy.
        threads: How many it has.
        loads: Models loaded since its start; None: it does not say.
        requests: Requests since its start; None: it does not say.
    """

    at: float
    private: int
    mapped: int
    threads: int
    loads: float | None = None
    requests: float | None = None


@dataclass(frozen=True, slots=True)
class Split:
    """A window's growth, with and without loads.

    Args:
        growth: Private bytes at the end minus those at the beginning.
        steady: Both halves have at least a quarter of it: no single step.
        quiet: Intervals in which, and beside which, nothing was loaded.
        quiet_growth: Growth in these, put on the whole window, in bytes.
    """

    growth: int
    steady: bool
    quiet: int
    quiet_growth: int


def look(pid: int, page: str | None, at: float, proc: Path = PROC) -> Look:
    """Read a process's memory, and counts out of its page of metrics.

    Raises:
        FileNotFoundError: There is no such process.
    """
    rows = dict(line.split(":", 1) for line in (proc / str(pid) / "status").read_text().splitlines() if ":" in line)

    def size(name: str) -> int:
        return int(rows[name].split()[0]) << 10 if name in rows else 0

    loads, requests = counts(page) if page is not None else (None, None)
    private = size("RssAnon") + size("VmSwap")
    return Look(at, private, size("RssFile"), int(rows.get("Threads", "0")), loads, requests)


def counts(page: str) -> tuple[float | None, float | None]:
    """Return how many models were loaded and how many requests came, by the names that model servers use."""
    found: list[float | None] = [None, None]
    for name, text in _SAMPLE.findall(page):
        which = 0 if _LOADS.search(name) else 1 if _REQUESTS.search(name) else None
        try:
            value = float(text)
        except ValueError:
            continue
        if which is not None:
            found[which] = (found[which] or 0.0) + value
    return found[0], found[1]


def fetched(url: str, timeout_s: float = 3.0) -> str:
    """Return a page of metrics.

    Raises:
        UnavailableError: It cannot be had.
    """
    if not url.startswith(("http://", "https://")):
        raise UnavailableError("not_configured", f"'{url}' is no http:// or https:// address")
    try:
        with urllib.request.urlopen(url, timeout=timeout_s) as answer:  # noqa: S310 - the scheme was looked at
            text: str = answer.read(_LONGEST).decode("utf-8", "replace")
            return text
    except (OSError, urllib.error.URLError) as error:
        raise UnavailableError("unreachable", f"{url}: {error}") from None


def watch(
    pid: int,
    window_s: float,
    page: Callable[[], str | None],
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> list[Look]:
    """Look some thirty times in a window.

    Raises:
        FileNotFoundError: The process is not there, or has ended.
        UnavailableError: Its metrics cannot be had.
    """
    began = clock()
    found = [look(pid, page(), 0.0)]
    while (now := clock() - began) < window_s:
        pause(window_s / LOOKS)
        found.append(look(pid, page(), now))
    return found


def split(looks: Sequence[Look]) -> Split:
    """Tell what grew beside loads from what grew between them."""
    first, middle, last = looks[0].private, looks[len(looks) // 2].private, looks[-1].private
    growth = last - first
    steady = min(middle - first, last - middle) * 4 >= growth > 0
    moved = [after.loads != before.loads for before, after in itertools.pairwise(looks)]
    quiet = [
        after.private - before.private
        for number, (before, after) in enumerate(itertools.pairwise(looks))
        if not any(moved[max(0, number - 1) : number + 2])
    ]
    whole = round(sum(quiet) / len(quiet) * (len(looks) - 1)) if quiet else 0
    return Split(growth, steady, len(quiet), whole)
