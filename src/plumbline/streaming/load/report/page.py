"""The report as one HTML page that needs nothing else: no network, no scripts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from itertools import pairwise
from typing import Any

from plumbline.streaming.load.progress import milliseconds
from plumbline.streaming.load.report.plots import NINES, Line, lines, nines
from plumbline.streaming.load.report.words import counted

_STYLE = """
:root { color-scheme: light dark; --ink: #1c1c1e; --paper: #fff; --quiet: #5b5b62; --edge: #d0d0d6; --good: #1a7f45;
  --bad: #b3261e }
@media (prefers-color-scheme: dark) { :root { --ink: #ececf0; --paper: #1b1b1e; --quiet: #a9a9b2; --edge: #44444c;
  --good: #5cc58a; --bad: #ff8a80 } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 60rem;
  margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem }
h2 { font-size: 1.15rem; margin-top: 2rem }
p.verdict { font-size: 1.1rem; border-left: .3rem solid var(--edge); padding-left: .8rem }
figure { margin: 1rem 0 }
table { border-collapse: collapse; margin: .5rem 0; font-variant-numeric: tabular-nums }
caption, dt { text-align: left; color: var(--quiet) }
th, td { padding: .2rem .7rem .2rem 0; border-bottom: 1px solid var(--edge); text-align: right; font-weight: normal }
th:first-child { text-align: left }
thead th { font-weight: 600 }
.wide { overflow-x: auto }
.good { color: var(--good) }
.bad { color: var(--bad); font-weight: 600 }
dd { margin: 0 0 .4rem }
"""
NAMES = {
    "delivery": "Delivery (due to received)",
    "completion": "Delivery to the last reader",
    "replayed": "Delivery by recovery",
    "slow": "Delivery to slow readers",
    "ack": "Publish acknowledged",
    "request": "Request answered",
    "connect": "Connect and subscribe",
    "reconnect": "Away until subscribed again",
}


def page(report: dict[str, Any]) -> str:
    """Return the page for a report (`plumbline.load/1`)."""
    title = f"Load run: {report['name']}"
    parts = [
        "<!doctype html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        f"<style>{_STYLE}</style></head><body><main>",
        f"<h1>{escape(title)}</h1>",
        _opening(report),
        "<h2>Latency</h2>",
        _latency(report),
        *_plots(report),
        "<h2>What arrived</h2>",
        _ledger(report),
        "<h2>Connections</h2>",
        _connections(report),
        "<h2>Second by second</h2>",
        _seconds(report),
        "</main></body></html>",
    ]
    return "\n".join(parts) + "\n"


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return an accessible table; the first cell of a row names it."""
    columns = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>' + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:]) + "</tr>"
        for row in rows
    )
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{escape(caption)}"><table><caption>{escape(caption)}'
        f"</caption><thead><tr>{columns}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _opening(report: dict[str, Any]) -> str:
    machine, connections = report["machine"], report["connections"]
    uptime = connections["uptime"]
    facts = {
        "Server": ", ".join(report["urls"]),
        "Started": f"{report['started_at']}, {report['lasted_s']:.0f} s"
        + (" (interrupted)" if report["interrupted"] else ""),
        "Uptime": f"{uptime:.4%} of {connections['wanted_s']:,.0f} connection-seconds" if uptime is not None else "-",
        "Machine": f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}, Python {machine['python']}, "
        f"load average {', '.join(map(str, machine['load_average']))}",
        "Generator": counted(report["generators"])
        + (f", {report['generators_lost']} died" if report["generators_lost"] else ""),
    }
    said = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in facts.items())
    verdict = report["bottleneck"]
    evidence = f"<br><small>{escape('; '.join(verdict['evidence']))}</small>" if verdict["evidence"] else ""
    lost = report["ledger"]["lost"]
    account = f"{lost:,} of {report['ledger']['expected']:,} messages were lost."
    known = f'<p class="{"bad" if lost else "good"}">{escape(account)}</p>' if report["connected"] else ""
    return f'<p class="verdict">{escape(verdict["sentence"])}{evidence}</p>{known}<dl>{said}</dl>'


def _latency(report: dict[str, Any]) -> str:
    rows = []
    for phase in report["phases"]:
        for kind, one in phase["latency"].items():
            if one["count"]:
                times = [milliseconds(one[key]) for key in ("p50_s", "p90_s", "p99_s", "p99.9_s", "max_s")]
                closed = " (closed loop)" if phase["closed_loop"] and kind == "delivery" else ""
                rows.append([f"{phase['name']}: {NAMES[kind]}{closed}", f"{one['count']:,}", *times])
    return table("By phase, from the time a message was due", ["", "count", "p50", "p90", "p99", "p99.9", "max"], rows)


def _plots(report: dict[str, Any]) -> list[str]:
    seconds = report["seconds"]
    if not seconds:
        return []
    at = [one["at"] for one in seconds]
    marks = [(one["at_s"], one["name"]) for one in report["faults"]]
    heard = [one for one in seconds if one["p99_s"]]
    times = [one["at"] for one in heard]
    shown = [Line(name, times, [one[key] * 1000 for one in heard]) for name, key in _SERIES]
    curves = [
        Line(phase["name"], [nines(p) for p, _ in points], [max(value * 1000, 0.001) for _, value in points])
        for phase in report["phases"]
        if (points := phase["curves"].get("delivery", [])[:-1])
    ]
    rates = [
        (after["deliveries"] - before["deliveries"]) / max(after["at"] - before["at"], 1e-3)
        for before, after in pairwise(seconds)
    ]
    plots = [
        lines("Connections up", [Line("up", at, [one["up"] for one in seconds])], x="s", y="connections", marks=marks),
        lines("Deliveries per second", [Line("deliveries", at[1:], rates)], x="s", y="per second", marks=marks),
    ]
    if heard:
        plots.insert(0, lines("Delivery latency over time", shown, x="s", y="ms", log_y=True, marks=marks))
    if heard and curves:
        plots.insert(
            1, lines("Delivery latency by percentile", curves, x="percentile", y="ms", log_y=True, x_ticks=NINES)
        )
    return [*plots, *_usage(report, marks)]


_SERIES = (("p50", "p50_s"), ("p99", "p99_s"), ("max", "max_s"))


def _usage(report: dict[str, Any], marks: Sequence[tuple[float, str]]) -> list[str]:
    samples = report["samples"]
    at = [one["at"] for one in samples]
    cpu = [
        Line(name, at, [sum(process["cpu"] for process in one[key]) for one in samples])
        for name, key in (("server", "servers"), ("generator", "generators"))
        if any(one[key] for one in samples)
    ]
    plots = [lines("CPU", cpu, x="s", y="cores", marks=marks)] if cpu else []
    served = [one for one in samples if one["servers"]]
    if served:
        resident = [sum(process["resident_bytes"] for process in one["servers"]) / (1 << 20) for one in served]
        line = Line("resident", [one["at"] for one in served], resident)
        plots.append(lines("Memory of the server", [line], x="s", y="MiB", marks=marks))
    return plots


def _ledger(report: dict[str, Any]) -> str:
    head = ["", *report["ledger"]]
    rows = [["usual readers", *(f"{value:,}" for value in report["ledger"].values())]]
    if report["slow_readers"]["expected"]:
        rows.append(["slow on purpose", *(f"{report['slow_readers'][key]:,}" for key in report["ledger"])])
    messages = report["messages"]
    said = f"{messages['published']:,} published, {messages['taken']:,} taken by the server"
    unsent = f"{messages['unsent']:,} not sent"
    refused = ", ".join(f"{count:,} refused ({code})" for code, count in messages["refused"].items())
    recovery = report["recovery"]
    words = f"{recovery['recovered']:,} subscriptions recovered, {recovery['unrecovered']:,} did not"
    return (
        table("Messages by account of each reader and channel", head, rows)
        + f"<p>{escape('; '.join(filter(None, (said, unsent, refused, words))))}.</p>"
    )


def _connections(report: dict[str, Any]) -> str:
    one = report["connections"]
    rows = [["attempts", f"{one['attempts']:,}"]]
    rows += [[f"failed: {why}", f"{count:,}"] for why, count in one["failures"].items()]
    rows += [[f"closed: {code}", f"{count:,}"] for code, count in one["closes"].items()]
    rows += [
        [f"fault at {fault['at_s']:g} s: {fault['name']}", f"{fault['did']}: {fault['result']}"]
        for fault in report["faults"]
    ]
    return table("Connections", ["", "count"], rows)


def _seconds(report: dict[str, Any]) -> str:
    rows = [
        [
            f"{one['at']:.0f}",
            one["phase"],
            f"{one['up']:,}",
            f"{one['deliveries']:,}",
            milliseconds(one["p50_s"]),
            milliseconds(one["p99_s"]),
            milliseconds(one["max_s"]),
        ]
        for one in report["seconds"]
    ]
    inner = table("Each second", ["s", "phase", "up", "deliveries so far", "p50", "p99", "max"], rows)
    return f"<details><summary>{len(rows)} seconds as a table</summary>{inner}</details>"
