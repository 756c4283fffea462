#!/usr/bin/env python3
"""What do the streaming diagnostics say of healthy servers that are not ours? All of them, by url, by pid, by both.

    python benchmarks/diagnostics/other_servers.py [--write]

Starts nats-server and mosquitto (Debian's package; without it, it says so) with WebSocket listeners, plain and with
TLS, on free ports of 127.0.0.1, keeps a few clients connected, and judges them as anybody's server is judged. Prints a
table; `--write` puts it into docs/reference/targets.md too. Takes some two minutes.

Exit code 1 if a healthy server was called ill, or a diagnostic failed.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import foreign
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from plumbline.catalogue import locate
from plumbline.diagnosis.needs import enough
from plumbline.diagnosis.report import Result
from plumbline.diagnosis.runner import Runner
from plumbline.evidence import Endpoint

PAGE = Path(__file__).parents[2] / "docs/reference/targets.md"
BEGIN = "<!-- other servers: written by benchmarks/diagnostics/other_servers.py -->"
END = "<!-- end of the other servers -->"
CLIENTS = 3
LONGEST = 150  # characters of a sentence in the table
LACKS = "does not give what"
Asked = dict[tuple[str, str], Result]
"""Diagnostic and what the target names, to what came of it."""


def endpoints(one: foreign.Foreign) -> dict[str, Endpoint]:
    """Return the targets that a server is tried as, by what they name."""
    plain = Endpoint("plain", url=one.plain, fanout=one.fanout, subprotocol=one.subprotocol)
    return {
        "`url`": plain,
        "`url`, TLS": replace(plain, name="secure", url=one.secure, ca=one.ca),
        "`pid`": Endpoint("process", pid=one.pid),
        "`url` and `pid`": replace(plain, name="both", pid=one.pid),
    }


def tried(runner: Runner, one: foreign.Foreign) -> Asked:
    """Judge a server while a few clients are connected."""
    ids = [each.id for each in runner.diagnostics if each.id.startswith("streaming.")]
    found: Asked = {}
    with contextlib.ExitStack() as clients:
        asked = [Subprotocol(one.subprotocol)] if one.subprotocol else None
        for _ in range(CLIENTS):
            clients.enter_context(connect(one.plain, proxy=None, subprotocols=asked))
        for named, endpoint in endpoints(one).items():
            report = runner.run(ids, endpoint)
            found |= {(result.id, named): result for result in report.results}
            counts = ", ".join(f"{count} {status}" for status, count in _counts(report.results))
            print(f"{one.name}, {named}: {counts} in {report.duration_s:.0f} s", file=sys.stderr, flush=True)
    return found


def rows(found: dict[str, Asked], machine: set[str]) -> Iterator[list[str]]:
    """Yield one row per diagnostic and outcome: where several fields give the same for all servers, they share it.

    Args:
        found: What came of it, by server.
        machine: Diagnostics that need nothing of a target: they read the machine that they run on.
    """
    first = next(iter(found.values()))
    for name in dict.fromkeys(name for name, _ in first):
        groups: dict[tuple[str, ...], list[str]] = {}
        for _, named in (key for key in first if key[0] == name):
            outcome = tuple(_outcome(asked[name, named]) for asked in found.values())
            groups.setdefault(outcome, []).append(named)
        for outcome, fields in groups.items():
            cells = [_cell(asked[name, fields[0]]) for asked in found.values()]
            unread = all(kind == "not asked" for kind in outcome)
            given = "nothing: this machine" if name in machine else "none of these" if unread else "; ".join(fields)
            if not (unread and len(groups) > 1):
                yield [f"`{name}`", given, *cells]


def table(found: dict[str, Asked], machine: set[str]) -> str:
    """Return it as Markdown."""
    head = ["Diagnostic", "The target names", *found]
    lines = [head, ["---"] * len(head), *rows(found, machine)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def wrong(found: dict[str, Asked]) -> list[str]:
    """Return what should not be: red for a healthy server, and diagnostics that failed."""
    return [
        f"{server}, {name} by {named}: {result.status} ({result.reason}): {result.sentence}"
        for server, asked in found.items()
        for (name, named), result in asked.items()
        if result.status.red or result.reason in ("exception", "cancelled")
    ]


def write(text: str) -> None:
    """Put the table between its marks on the page."""
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise SystemExit(f"{PAGE} has no place for it: {BEGIN} … {END}")
    PAGE.write_text(f"{before}{BEGIN}\n{text}{END}{after}", encoding="utf-8")


def main() -> int:
    """Start the servers, ask, print, and write if that is wanted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the table into docs/reference/targets.md")
    wanted = parser.parse_args()
    found: dict[str, Asked] = {}
    binary = foreign.mosquitto_at()
    with tempfile.TemporaryDirectory() as folder, Runner(locate()) as runner:
        with foreign.nats(Path(folder) / "nats") as one:
            found[one.name] = tried(runner, one)
        if binary:
            with foreign.mosquitto(Path(folder) / "mosquitto", binary) as one:
                found[one.name] = tried(runner, one)
        else:
            print("mosquitto is missing, so only nats-server was asked: apt-get install mosquitto", file=sys.stderr)
        machine = {one.id for one in runner.diagnostics if one.judge and enough(one.judge, set())}
    text = table(found, machine)
    print(text)
    if wanted.write and not binary:
        raise SystemExit("the page has a column for mosquitto: nothing is written without it")
    if wanted.write:
        told = f"{time.strftime('%d %B %Y', time.gmtime())}, against {' and '.join(found)}"
        write(f"`python benchmarks/diagnostics/other_servers.py --write`, {told}:\n\n{text}\n")
    print(*wrong(found), sep="\n", file=sys.stderr)
    return 1 if wrong(found) else 0


def _counts(results: tuple[Result, ...]) -> list[tuple[str, int]]:
    kinds = [_outcome(one) for one in results]
    return sorted((kind, kinds.count(kind)) for kind in set(kinds))


def _outcome(result: Result) -> str:
    """Return the status; that there was nothing to read is told from what was read and says nothing."""
    lacks = result.reason == "not_configured" and (not result.reads or LACKS in result.sentence)
    return "not asked" if lacks else str(result.status)


def _cell(result: Result) -> str:
    if _outcome(result) == "not asked":
        return "not asked"
    sentence = " ".join(result.sentence.replace("|", "/").split())
    if len(sentence) > LONGEST:
        sentence = sentence[:LONGEST].rsplit(" ", 1)[0] + " …"
    return f"**{result.status}**: {sentence}"


if __name__ == "__main__":
    raise SystemExit(main())
