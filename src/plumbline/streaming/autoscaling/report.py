"""A simulation's report: one HTML file with the picture, the numbers side by side, and every decision's reasons."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from plumbline.streaming.autoscaling.loads import Load
from plumbline.streaming.autoscaling.plot import svg
from plumbline.streaming.autoscaling.simulate import Simulation, Summary

CHANGES = 200  # rows per policy
ROWS: tuple[tuple[str, str, str], ...] = (
    ("overloaded_s", "Overloaded", "{:,.0f} s"),
    ("unserved_client_s", "Clients without a replica", "{:,.0f} client·s"),
    ("fullest", "Fullest replica", "{:,.0f} connections"),
    ("most_replicas", "Most replicas", "{:,.0f}"),
    ("replica_hours", "Replica-hours", "{:,.1f} h"),
    ("cost", "Cost", "{:,.2f}"),
    ("changes", "Changes", "{:,.0f}"),
    ("turns_per_hour", "Turns in the worst hour", "{:,.0f}"),
    ("reconnects", "Reconnects", "{:,.0f}"),
    ("worst_reconnects_per_s", "Reconnects, worst second", "{:,.0f}/s"),
)
STYLE = """
:root { color-scheme: light dark; }
body { max-width: 62rem; margin: 2rem auto; padding: 0 1rem; font: 16px/1.5 system-ui, sans-serif; }
svg { width: 100%; height: auto; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; }
th, td { padding: 0.3rem 0.7rem; border-bottom: 1px solid #8886; text-align: end; vertical-align: top; }
th[scope="row"], .text { text-align: start; }
th[scope="row"] { font-weight: normal; }
"""


def cells(summary: Summary) -> list[tuple[str, str]]:
    """Return heading and written value of each number of a summary; the cost is left out where there is no price."""
    return [(title, form.format(getattr(summary, key))) for key, title, form in ROWS if key != "cost" or summary.cost]


def html(simulations: Mapping[str, Simulation], load: Load, price_per_hour: float = 0.0) -> str:
    """Return the report as one self-contained page.

    Args:
        simulations: By the policy's name, all of the same load.
        load: What was replayed.
        price_per_hour: Of one replica.
    """
    hours, minutes = load.duration_s / 3600, load.duration_s / 60
    span = f"{hours:.1f} hours" if hours > 3 else f"{minutes:.0f} minutes"
    clients = f"{min(load.connections):,.0f} to {max(load.connections):,.0f} clients"
    note = "Simulated, not measured: replicas start, drain and spread clients as the options said."
    parts = [
        f"<h1>Autoscaling on the load “{escape(load.name)}”</h1><p>{span}, {clients}. {note}</p>",
        svg(simulations, price_per_hour),
        _table(simulations),
        *(_changes(name, one) for name, one in simulations.items()),
    ]
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><style>{STYLE}</style>'
    body = "".join(parts)
    return f'<!doctype html><html lang="en"><head>{head}<title>Autoscaling</title></head><body>{body}</body></html>\n'


def _table(simulations: Mapping[str, Simulation]) -> str:
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in simulations)
    columns = [dict(cells(one.summary)) for one in simulations.values()]
    rows = []
    for title in columns[0]:
        values = "".join(f"<td>{column.get(title, '')}</td>" for column in columns)
        rows.append(f'<tr><th scope="row">{title}</th>{values}</tr>')
    return f"<h2>In numbers</h2>{_wide(f'<tr><th></th>{heads}</tr>', rows)}"


def _changes(name: str, simulation: Simulation) -> str:
    rows = []
    for one in simulation.changes[:CHANGES]:
        why = escape("; ".join(one.reasons))
        counts = f"<td>{one.before} → {one.after}</td>"
        rows.append(f'<tr><td>{one.at / 60:,.1f}</td>{counts}<td class="text">{why}</td></tr>')
    more = len(simulation.changes) - CHANGES
    rest = f"<p>{more} more are in the JSON file.</p>" if more > 0 else ""
    head = '<tr><th scope="col">Minute</th><th scope="col">Replicas</th><th scope="col" class="text">Why</th></tr>'
    return f"<h2>Changes: {escape(name)}</h2>" + (_wide(head, rows) + rest if rows else "<p>None.</p>")


def _wide(head: str, rows: list[str]) -> str:
    body = "".join(rows)
    return f'<div class="wide"><table><thead>{head}</thead><tbody>{body}</tbody></table></div>'
