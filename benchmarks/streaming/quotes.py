"""Write the figures that other pages quote, between their marks, from the results that are kept beside the scripts.

    python benchmarks/streaming/quotes.py [--check]

A figure that stands in a sentence is measured again with all the others, and the sentence follows. Nothing is typed in.
"""

import json
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from common import RESULTS, ROOT, markdown

READERS = 15_000
FEWER = 5_000
END = "<!-- end of the figures -->"


def begin(name: str) -> str:
    """Return the mark in front of a quotation."""
    return f"<!-- figures of {name}: written by benchmarks/streaming/quotes.py -->"


def origin(kept: dict[str, Any]) -> str:
    """Say what was run, when and where."""
    machine = kept["machine"]
    return f"`{kept['command']}`, {kept['date']}, commit {kept['commit']}, {machine['cores']} cores, {machine['cpu']}"


def floor(kept: dict[str, Any]) -> str:
    """Return what one message to everybody costs at least."""
    cost = kept["results"]["floor"]["cpu_us_per_delivery"]
    return (
        f"A C program that does nothing but `epoll` and `send` needs {cost:.2f} µs of CPU for each, with "
        f"{kept['bounds']['connections']:,} readers on the same machine ({origin(kept)}). So\n\n"
        f"{READERS:,} times {cost:.2f} µs are {READERS * cost / 1000:.0f} ms of one core, before the last reader has "
        f"it; for {FEWER:,} it is {FEWER * cost / 1000:.0f} ms."
    )


def handshakes(kept: dict[str, Any]) -> str:
    """Return what a handshake costs, plain and encrypted."""
    plain, tls = (kept["results"][kind]["handshake_us"] for kind in ("plain", "tls"))
    return (
        f"A handshake took {plain:.0f} µs of CPU, and {tls:.0f} µs under TLS 1.3 with an ECDSA key: {tls / plain:.0f} "
        f"times as much ({origin(kept)})."
    )


def spread(kept: dict[str, Any]) -> str:
    """Return how even the kernel's hash is, and how balancing evens out what is not."""
    hashed, late = kept["results"]["hashed"], kept["results"]["late"]
    counts = list(next(iter(hashed.values())))
    rows = [[workers, *(f"{found[count]:.3f}" for count in counts)] for workers, found in hashed.items()]
    rounds = [
        f"- {workers} workers: " + ", ".join(f"{value:.2f}" for value in found) for workers, found in late.items()
    ]
    return "\n".join(
        [
            markdown(["workers", *(f"{int(count):,} connections" for count in counts)], rows),
            "",
            f"Balanced round by round, when all {kept['bounds']['late']:,} were on the first worker:",
            "",
            *rounds,
            "",
            origin(kept),
        ]
    )


def tracing(kept: dict[str, Any]) -> str:
    """Return what tracing adds to a publication."""
    more = {name: value - kept["results"]["broker_ns"] for name, value in kept["results"].items()}
    return (
        f"Beyond what the broker takes, a publication costs {more['off_ns']:,.0f} ns of CPU with tracing off, "
        f"{more['hundredth_ns']:,.0f} ns with one in a hundred, {more['all_ns'] / 1000:,.0f} µs with all "
        f"({origin(kept)})."
    )


def replay(kept: dict[str, Any]) -> str:
    """Return what a replayed message costs."""
    return (
        f"A replayed message costs {kept['results']['us']:.2f} µs of CPU, with {kept['bounds']['clients']:,} clients "
        f"of {kept['bounds']['missed']:,} messages each, without sockets ({origin(kept)})."
    )


def relay(kept: dict[str, Any]) -> str:
    """Return what the relay between workers costs."""
    rows = [
        [
            row["workers"],
            f"{row['messages_per_s']:,.0f}",
            *(f"{row[key]:.1f}" for key in ("supervisor_us", "worker_us", "publisher_us")),
            "" if row["reader_us"] is None else f"{row['reader_us']:.1f}",
            f"{row['messages_per_write']:,.0f}",
        ]
        for row in kept["results"]
    ]
    head = ["workers", "messages/s", "supervisor µs/message", "µs/message and worker", "publisher µs", "reader µs"]
    return f"{markdown([*head, 'messages/write'], rows)}\n\n{origin(kept)}"


def clients(kept: dict[str, Any]) -> str:
    """Return what each WebSocket library and our client cost."""
    rows = [
        [row["client"], f"{row['cpu_us']:.1f}", "-" if row["resident_kib"] is None else f"{row['resident_kib']:.0f}"]
        for row in kept["results"]
    ]
    return f"{markdown(['Client', 'CPU per message, µs', 'Resident per idle connection, KiB'], rows)}\n\n{origin(kept)}"


class Quote(NamedTuple):
    """A quotation: the page it stands on, the benchmark it is of, and its text."""

    page: str
    benchmark: str
    text: Callable[[dict[str, Any]], str]


QUOTES = {
    "the floor": Quote("infrastructure/architecture.md", "broadcast", floor),
    "handshakes": Quote("infrastructure/load-balancing.md", "sizing", handshakes),
    "the spread": Quote("infrastructure/load-balancing.md", "spread", spread),
    "tracing": Quote("infrastructure/observability.md", "tracing", tracing),
    "the relay": Quote("infrastructure/scaling.md", "relay", relay),
    "the replay": Quote("reference/gateway.md", "replay", replay),
    "the client": Quote("reference/client.md", "client_libraries", clients),
}


def quoted(name: str) -> str:
    """Return a quotation; a benchmark without results says so."""
    quote = QUOTES[name]
    path = RESULTS / f"{quote.benchmark}.json"
    if not path.exists():
        return f"Not recorded yet: `python benchmarks/streaming/{quote.benchmark}.py`."
    return quote.text(json.loads(path.read_text(encoding="utf-8")))


def written(page: str, text: str) -> str:
    """Return the page with its quotations made anew.

    Raises:
        SystemExit: A mark is missing.
    """
    for name, quote in QUOTES.items():
        if quote.page == page:
            before, mark, rest = text.partition(begin(name))
            _, end, after = rest.partition(END)
            if not mark or not end:
                sys.exit(f"docs/{page}: the marks {begin(name)!r} and {END!r} are missing")
            text = f"{before}{mark}\n\n{quoted(name)}\n\n{end}{after}"
    return text


def main() -> None:
    """Write the pages, or say which one is out of date."""
    for page in dict.fromkeys(quote.page for quote in QUOTES.values()):
        path = ROOT / "docs" / page
        current = path.read_text(encoding="utf-8")
        if current == (text := written(page, current)):
            continue
        if "--check" in sys.argv[1:]:
            sys.exit(f"docs/{page} is out of date: python benchmarks/streaming/quotes.py writes it")
        path.write_text(text, encoding="utf-8")
        print(f"docs/{page}: written")


if __name__ == "__main__":
    main()
