"""Write docs/infrastructure/benchmarks.md from the results that are kept beside the scripts.

    python benchmarks/streaming/page.py [--check]

Every figure on the page comes from a JSON file in benchmarks/streaming/results/; nothing is typed in.
"""

import json
import sys
from collections.abc import Callable, Sequence
from typing import Any

from common import HERE, RESULTS, ROOT, markdown

from plumbline.streaming.load.report.plots import Line, bars, lines

PAGE = ROOT / "docs" / "infrastructure" / "benchmarks.md"
NAMES = ("hold", "fanout", "broadcast", "saturation", "scaling", "storm", "soak")
BAR = 0.9995  # of all connection-seconds
HEAD = """---
title: Benchmarks
description: What the gateway holds, delivers and costs, beside its peers; measured by one generator, one command each.
---

# Benchmarks

Written by `python benchmarks/streaming/page.py` from the JSON files in `benchmarks/streaming/results/`. Servers and
[load generator](../reference/load.md) share one machine, so ratios travel and milliseconds do not. Latency counts from
the time a message was due, so a server that stalls cannot look fast. All again: `bash deploy/bench.sh --streaming`.
"""


def ms(seconds: float | None) -> str:
    """Return milliseconds as text."""
    return "-" if seconds is None else f"{seconds * 1000:,.1f}" if seconds < 0.1 else f"{seconds * 1000:,.0f}"


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a Markdown table and the line after it."""
    return markdown(head, rows) + "\n"


def hold(kept: dict[str, Any]) -> list[str]:
    """Return the section."""
    rows = [
        [
            name,
            f"{one['held']:,} of {one['connections']:,}",
            one["dropped"],
            f"{one['resident_bytes_per_connection'] / 1024:.1f}",
            f"{one['slab_bytes_per_socket'] / 1024:.1f}",
            f"{one['idle_cpu_share']:.1%}",
            f"{one['handshakes_per_s']:,}",
        ]
        for name, one in kept["results"].items()
    ]
    head = ["", "held", "dropped", "RSS per connection, KiB", "slab per socket, KiB", "idle CPU", "connects/s"]
    text = (
        "Each connection has one subscription and is pinged every 25 s. The slab is the kernel's own memory for a "
        "socket, which no resident memory shows."
    )
    return ["## Connections held", text, table(head, rows)]


def fanout(kept: dict[str, Any]) -> list[str]:
    """Return the section."""
    rows = [
        [
            name,
            f"{one['connections']:,}",
            f"{one['fan_out']:,}",
            f"{one['deliveries_per_s']:,.0f}",
            *(ms(one["latency"].get(key)) for key in ("p50_s", "p99_s", "max_s")),
            f"{one['ledger']['lost']:,}",
            f"{one['uptime']:.4%}",
            f"{one['recovery']['recovered']:,}",
        ]
        for name, one in kept["results"].items()
    ]
    killed = [one for one in kept["results"].values() if one["faults"]]
    price = [
        f"A killed worker cost {one['away_s']:,.0f} connection-seconds: {BAR:.2%} of all connection-seconds are up "
        f"while that happens at most every {one['away_s'] / (1 - BAR) / one['connections'] / 60:.0f} minutes."
        for one in killed
    ]
    head = ["", "connected", "fan-out", "deliveries/s", "p50 ms", "p99 ms", "max ms", "lost", "uptime", "recovered"]
    drawn = [
        Line(name, [one["at"] for one in run["seconds"]], [one["p99_s"] * 1000 for one in run["seconds"]])
        for name, run in kept["results"].items()
    ]
    return ["## Fan-out", table(head, rows), *price, lines("Delivery p99 over the run", drawn, x="s", y="ms")]


def broadcast(kept: dict[str, Any]) -> list[str]:
    """Return the section."""
    results = kept["results"]
    rows = [
        [
            f"{name} {one['version']}".strip(),
            one["cpu_us_per_delivery"],
            one["floor_ratio"] if one["floor_ratio"] is not None else "-",
            *(ms(one["latency"].get(key)) for key in ("p50_s", "p99_s", "max_s")),
            ms(one["completion"].get("p50_s")),
            f"{one['resident_bytes_per_connection'] / 1024:.1f}",
            one["lost"],
        ]
        for name, one in results.items()
    ]
    times = ["p50 ms", "p99 ms", "max ms", "all have it, ms"]
    head = ["", "CPU per delivery, us", "times the floor", *times, "RSS per connection, KiB", "lost"]
    size = kept["bounds"]["connections"]
    text = (
        f"One message of 128 bytes to all {size:,}. The floor is a bare C server that does nothing but `epoll` and one "
        f"`send` for each socket{_floor(results, size)}"
    )
    plot = bars("CPU per delivery", list(results), [one["cpu_us_per_delivery"] for one in results.values()], x="us")
    return ["## One message to everybody", text, table(head, rows), plot, _missing(kept)]


def _floor(results: dict[str, Any], size: int) -> str:
    if "floor" not in results:
        return "."
    spent = results["floor"]["cpu_us_per_delivery"] * size / 1e6
    return f": {spent:.2f} s of CPU for each message here, which every server that sends once per client has to pay."


def saturation(kept: dict[str, Any]) -> list[str]:
    """Return the section."""
    parts = ["## Saturation"]
    for readers, results in kept["results"].items():
        rows = [
            [
                name,
                f"{one['deliveries_per_s']:,.0f}",
                one["nats_ratio"] if one["nats_ratio"] is not None else "-",
                one["cpu_us_per_delivery"],
                one["lost"] + one["repeated"],
                one["bottleneck"],
            ]
            for name, one in results.items()
        ]
        rates = [one["deliveries_per_s"] for one in results.values()]
        head = [f"{readers} readers", "deliveries/s", "times nats-server", "CPU per delivery, us"]
        parts.append(table([*head, "lost or twice", "what bound it"], rows))
        parts.append(bars(f"Deliveries per second, {readers} readers", list(results), rates, x="per second"))
    return [*parts, _missing(kept)]


def scaling(kept: dict[str, Any]) -> list[str]:
    """Return the section."""
    workers, growth = kept["results"]["workers"], kept["results"]["growth"]
    first = table(
        ["workers", "deliveries/s", "gain", "CPU per delivery, us", "cores in use", "what bound it"],
        [
            [
                one["workers"],
                f"{one['deliveries_per_s']:,.0f}",
                one["gain"],
                one["cpu_us_per_delivery"],
                "-" if one["all_cores_in_use"] is None else f"{one['all_cores_in_use']:.0%}",
                one["bottleneck"],
            ]
            for one in workers
        ],
    )
    second = table(
        ["connections", "workers", "us a delivery, channels of ten", "us, broadcast", "p99 ms, ten", "p99 ms, all"],
        [
            [
                f"{one['connections']:,}",
                one["workers"],
                one["small"]["cpu_us_per_delivery"],
                one["all"]["cpu_us_per_delivery"],
                ms(one["small"]["latency"].get("p99_s")),
                ms(one["all"]["latency"].get("p99_s")),
            ]
            for one in growth
        ],
    )
    at = [one["connections"] for one in growth]
    drawn = [
        Line("channels of ten", at, [one["small"]["cpu_us_per_delivery"] for one in growth], markers=True),
        Line("broadcast", at, [one["all"]["cpu_us_per_delivery"] for one in growth], markers=True),
    ]
    plot = lines("CPU per delivery as connections grow", drawn, x="connections", y="us", log_x=True)
    bends = "Where it bends: " + "; ".join(kept["results"]["bend"]) + "."
    return ["## From one worker to two, and from 1,000 connections to 30,000", first, second, plot, bends]


def storm(kept: dict[str, Any]) -> list[str]:
    """Return the section."""
    rows = [
        [
            name,
            f"{one['back']:,} of {one['cut']:,}",
            f"{one['all_back_s'] or 0:.2f}",
            one["overflows"],
            ms(one["stayed"].get("p99_s")),
            f"{one['ledger']['lost']:,}",
        ]
        for name, one in kept["results"].items()
    ]
    head = ["cut at once", "back", "all back after, s", "accept-queue overflows", "p99 of those who stayed, ms", "lost"]
    return ["## Reconnect storm", table(head, rows)]


def soak(kept: dict[str, Any]) -> list[str]:
    """Return the section."""
    one = kept["results"]
    memory = one["memory"]
    rows = [
        ["lasted", f"{one['lasted_s']:,.0f} s"],
        ["memory, second half", f"{memory['from_mib']} to {memory['to_mib']} MiB"],
        ["its slope", f"{memory['mib_per_hour']} MiB an hour"],
        ["lost", f"{one['ledger']['lost']:,} of {one['ledger']['expected']:,}"],
        ["uptime", f"{one['uptime']:.4%}"],
        ["faults", ", ".join(f"{fault['name']} at {fault['at_s']:g} s" for fault in one["faults"]) or "none"],
        ["worst p99 of a phase", f"{ms(one['worst_p99_s'])} ms"],
    ]
    series = one["memory_series"]
    drawn = [Line("resident", [at for at, _ in series], [size for _, size in series])]
    plot = lines("Memory of the server", drawn, x="s", y="MiB") if series else ""
    return ["## Soak", table(["", ""], rows), plot]


SECTIONS: dict[str, Callable[[dict[str, Any]], list[str]]] = {
    "hold": hold,
    "fanout": fanout,
    "broadcast": broadcast,
    "saturation": saturation,
    "scaling": scaling,
    "storm": storm,
    "soak": soak,
}


def _missing(kept: dict[str, Any]) -> str:
    missing = kept.get("missing") or {}
    return "Not measured: " + "; ".join(f"{name} ({why})" for name, why in missing.items()) + "." if missing else ""


def _origin(kept: dict[str, Any]) -> str:
    machine, versions = kept["machine"], kept["versions"]
    load = ", ".join(map(str, machine["load_average"]))
    used = ", ".join(f"{name} {version}" for name, version in versions.items())
    return (
        f"`{kept['command']}` · {kept['date']}, commit {kept['commit']}, {kept['took_s']:g} s · {machine['cpu']}, "
        f"{machine['cores']} cores, {machine['system']}, Python {machine['python']}, {used} · load average "
        f"at its end {load}"
    )


def page() -> str:
    """Return the page; a benchmark without results says so."""
    parts = [HEAD]
    for name in NAMES:
        path = RESULTS / f"{name}.json"
        if path.exists():
            kept = json.loads(path.read_text(encoding="utf-8"))
            parts += [*filter(None, SECTIONS[name](kept)), _origin(kept)]
        else:
            parts.append(f"## {name.capitalize()}\n\nNot recorded yet: `python benchmarks/streaming/{name}.py`.")
    return "\n\n".join(part.strip() for part in parts) + "\n"


def main() -> None:
    """Write the page, or say that it is out of date."""
    text = page()
    if "--check" in sys.argv[1:]:
        current = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
        if current != text:
            sys.exit(f"{PAGE.relative_to(ROOT)} is out of date: python {HERE.relative_to(ROOT)}/page.py writes it")
        return
    PAGE.write_text(text, encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)}: written")


if __name__ == "__main__":
    main()
