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


def balancing(kept: dict[str, Any]) -> str:
    """Return how balancing evens out two workers of which one had all."""
    rounds = ", ".join(f"{value:.2f}" for value in kept["results"]["late"]["2"])
    return (
        f"With {kept['bounds']['late']:,} connections on the first of two workers the spread was, round by round: "
        f"{rounds} ({origin(kept)})."
    )


def cluster(kept: dict[str, Any]) -> str:
    """Return what the cluster's broker costs."""
    one, sync, away = (kept["results"][name] for name in ("cluster", "sync_always", "regions"))
    rows = [*_rates(one, sync), *_times(one, away["mirror_hop"]), *_losses(one["attached"], away)]
    about = (
        f"Messages of {kept['bounds']['bytes']} bytes; servers, gateways' brokers and load generator on one machine, "
        f"whose load average was {kept['machine']['load_average'][0]:g} at the end; nats-server "
        f"{kept['versions']['nats-server']}. {origin(kept)}"
    )
    return f"{markdown(['What', 'Figure'], rows)}\n\n{about}"


def _rates(one: dict[str, Any], sync: dict[str, Any]) -> list[tuple[str, str]]:
    two = one["contended"]
    return [
        (
            "acknowledged publications, one channel, 256 under way",
            f"{one['one_channel_per_s']:,} a second: they travel in blocks of up to 256",
        ),
        (
            "one hundred channels, 256 under way together",
            f"{one['hundred_channels_per_s']:,} a second: two or three to a block",
        ),
        ("one channel, each waiting for the one before", f"{one['one_by_one_per_s']:,} a second"),
        (
            "two gateways in one channel, 64 under way each",
            f"{two['acknowledged_per_s']:,} a second together, {two['collisions']:,} collisions in 3 s",
        ),
        (
            "with `sync_interval: always`: 256 under way, one by one",
            f"{sync['one_channel_per_s']:,} and {sync['one_by_one_per_s']:,} a second",
        ),
    ]


def _times(one: dict[str, Any], away: dict[str, Any]) -> list[tuple[str, str]]:
    near, known, far = (
        f"p50 {times['p50_ms']:.2f} ms, p99 {times['p99_ms']:.2f} ms"
        for times in (one["hop"]["arrives"], one["hop"]["acknowledged"], away["arrives"])
    )
    return [
        ("from publishing to arriving through another connection, 200 a second", near),
        ("the acknowledgement", known),
        (
            "into the other region by the mirror, on loopback",
            f"{far} (the first messages wait for the mirror's consumer)",
        ),
    ]


def _losses(attached: dict[str, Any], away: dict[str, Any]) -> list[tuple[str, str]]:
    anew = f"{attached['anew_s']:.3f} s, told {attached['told_after_s']:.3f} s after the server stood again"
    hidden = f"{away['hidden_by_the_loss']:,} of {away['acknowledged']:,} acknowledged messages were hidden in this run"
    lag = f"the mirror had shown lag {away['lag_seen_at_the_loss']}"
    follows = f"{away['follows_again_after_s']:.2f} s after its return"
    return [
        (
            f"{attached['channels']:,} channels attended: new; anew after `kill -9` of the server",
            f"{attached['new_s']:.3f} s; {anew}",
        ),
        ("home killed under load", f"{hidden}{', and salvaged later' if away['hidden_by_the_loss'] else ''}; {lag}"),
        ("a lost home follows again", f"{follows}, with this little to copy"),
    ]


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
    "the cluster": Quote("infrastructure/replication.md", "cluster", cluster),
    "balancing": Quote("troubleshooting/streaming/uneven-connections.md", "spread", balancing),
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
