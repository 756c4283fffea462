"""The page: the recommendation first, then why, then everything it rests on. One file, no network, no scripts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any

from plumbline.deployment.experiments.report.plots import Band, Rule, plot

_STYLE = """
:root { color-scheme: light dark; --ink: #1d1d20; --paper: #fff; --quiet: #5c5c64; --edge: #d4d4da;
  --s1: #1f6fc4; --s2: #b45309; --s3: #15803d; --s4: #9d3a8f; --well: #15803d; --ill: #b3261e; --unsure: #8a5a00 }
@media (prefers-color-scheme: dark) { :root { --ink: #ececf0; --paper: #1a1a1d; --quiet: #a8a8b2; --edge: #43434b;
  --s1: #74b3ff; --s2: #f5a54a; --s3: #5cc58a; --s4: #e08fd3; --well: #5cc58a; --ill: #ff8a80; --unsure: #e5b567 } }
body { max-width: 48rem; margin: 1.5rem auto; padding: 0 1rem; color: var(--ink); background: var(--paper);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: break-word }
h1 { font-size: 1.4rem } h2 { font-size: 1.15rem; margin-top: 2rem } h3 { font-size: 1rem; margin-bottom: .3rem }
.verdict { border-inline-start: .35rem solid var(--tone); padding-inline-start: .9rem }
.verdict strong { color: var(--tone); font-size: 1.25rem; display: block }
.ship { --tone: var(--well) } .stop, .void { --tone: var(--ill) } .cannot-tell { --tone: var(--unsure) }
.continue, .no-gain { --tone: var(--s1) }
.scroll { overflow-x: auto; margin-bottom: 1rem } .quiet, figcaption { color: var(--quiet); font-size: .9rem }
.name { margin: 0 }
table { font-size: .94rem; border-collapse: collapse; font-variant-numeric: tabular-nums }
td, th { padding: .25rem .7rem .25rem 0; border-bottom: 1px solid var(--edge); font-weight: 400; text-align: right;
  white-space: nowrap }
th[scope=row], thead th:first-child { text-align: left } thead th { font-weight: 600 }
figure { margin: .5rem 0 1.5rem; max-width: 36rem } svg { display: block; width: 100%; height: auto }
svg text { fill: var(--quiet); font: 13px system-ui, sans-serif }
@media (max-width: 30rem) { svg text { font-size: 16px } }
.grid { stroke: var(--edge); stroke-width: .6 } .rule { stroke: var(--ink); stroke-dasharray: 5 4 }
.limit { stroke: var(--ill); stroke-dasharray: 1.5 3; stroke-width: 2 }
.line { fill: none; stroke: var(--c); stroke-width: 2 } .band { fill: var(--c); opacity: .18 }
.s1 { --c: var(--s1) } .s2 { --c: var(--s2) } .s3 { --c: var(--s3) } .s4 { --c: var(--s4) }
.key { margin-inline-end: 1rem; display: inline-block } .key i { display: inline-block; width: 1.4rem; height: .2rem;
  margin-inline-end: .35rem; vertical-align: middle; background: var(--c) }
.key i.rule, .key i.limit { background: none; height: 0; border-top: 2px dashed var(--ink) }
.key i.limit { border-top: 3px dotted var(--ill) }
"""
_STANDINGS = {
    ("guardrail", "holds"): "holds",
    ("guardrail", "hurt"): "hurt",
    ("guardrail", "open"): "not known yet",
    ("metric", "holds"): "better",
    ("metric", "hurt"): "worse",
    ("metric", "open"): "not known yet",
}
_ROWS = 12


def page(report: dict[str, Any]) -> str:
    """Return the page for a record (`plumbline.experiment/1`)."""
    name = f"Experiment: {report['experiment']}"
    parts = [
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(name)}</title>',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        f"<style>{_STYLE}</style></head><body><main><h1>{escape(name)}</h1>",
        f'<p class="verdict {report["advice"]}"><strong>{escape(report["headline"])}</strong>',
        f"{escape(report['sentence'])}</p>{_until(report)}",
        *_effects(report),
        *_arms(report),
        _plan(report["plan"]),
        "</main></body></html>",
    ]
    return "\n".join(parts) + "\n"


def _until(report: dict[str, Any]) -> str:
    if report["at"] is None:
        return '<p class="quiet">Nothing is logged yet.</p>'
    moment = datetime.fromtimestamp(report["at"], UTC).strftime("%Y-%m-%d %H:%M UTC")
    torn = f" {report['torn_lines']:,} lines of the log were cut off by a crash." if report["torn_lines"] else ""
    return f'<p class="quiet">As logged until {moment}. It may be looked at as often as you like.{torn}</p>'


def _effects(report: dict[str, Any]) -> list[str]:
    if not report["readings"]:
        return []
    head = ["", "", "control", "treatment", "difference", "between"]
    rows = [
        [
            f"{one['metric']}{' (guardrail)' if one['role'] == 'guardrail' else ''}"
            + (f", {one['treatment']}" if len(report["sizes"]) > 2 else ""),
            _STANDINGS[one["role"], one["standing"]],
            _figure(one["control_mean"]),
            _figure(one["treatment_mean"]),
            "-" if one["difference"] is None else f"{one['difference']:+.3g}",
            "-" if one["low"] is None else f"{one['low']:+.3g} and {one['high']:+.3g}",
        ]
        for one in report["readings"]
    ]
    parts = [
        "<h2>Effects</h2>",
        _table("Treatment minus control, with the interval that holds at every look", head, rows),
    ]
    parts += [f'<p class="quiet">{escape(said)}</p>' for said in _sharper(report)]
    clock = _Clock(report["course"])
    for number, one in enumerate(report["readings"]):
        parts += [f"<h3>{escape(one['metric'])}, {escape(one['treatment'])}</h3>", _effect(report, number, one, clock)]
    return parts


def _sharper(report: dict[str, Any]) -> Iterable[str]:
    for one in report["readings"]:
        if one["variance_taken_away"] > 0:
            share = f"{one['variance_taken_away']:.0%}"
            whose = f"{one['metric']}, {one['treatment']}"
            yield f"{whose}: what was known before took {share} of the variance away (CUPED)."


class _Clock:
    """Times of the course in the unit that suits its length."""

    def __init__(self, course: Sequence[dict[str, Any]]) -> None:
        times = [one["at"] for one in course]
        step = times[1] - times[0] if len(times) > 1 else 1.0
        began, span = (times[0] - step, len(times) * step) if times else (0.0, 1.0)
        units = ((86_400.0, "days"), (3_600.0, "hours"), (60.0, "minutes"), (1.0, "seconds"))
        self.size, self.unit = next((one for one in units if span >= 2 * one[0]), units[-1])
        self.hours = [(at - began) / self.size for at in times]


def _effect(report: dict[str, Any], number: int, one: dict[str, Any], clock: _Clock) -> str:
    looks = [moment["readings"][number] for moment in report["course"]]
    if not any(look["difference"] is not None for look in looks):
        return '<p class="quiet">Too few units for an interval.</p>'
    metric = next(each for each in report["plan"]["metrics"] if each["name"] == one["metric"])
    rules = [Rule(0.0, "no difference")]
    if metric["guardrail"]:
        rules.append(
            Rule(metric["tolerated"] * (1 if metric["better"] == "down" else -1), "what is tolerated", "limit")
        )
    columns = [[look[key] for look in looks] for key in ("difference", "low", "high")]
    band = Band("difference, and the interval that holds at every look", *columns)
    label = f"Time since the first exposure in {clock.unit}"
    drawn = plot(f"effect-{number}", clock.hours, [band], rules, x=label, y="difference", told=one["told"])
    every = max(1, len(looks) // _ROWS)
    rows = [
        [f"{at:.3g}", *(_figure(look[key], sign=True) for key in ("difference", "low", "high"))]
        for at, look in list(zip(clock.hours, looks, strict=True))[::every]
    ]
    inner = _table("Looks", [clock.unit, "difference", "from", "to"], rows)
    return f"{drawn}<details><summary>As a table</summary>{inner}</details>"


def _arms(report: dict[str, Any]) -> list[str]:
    balance, names = report["balance"], list(report["sizes"])
    total = sum(balance["observed"]) or 1
    rows = [
        [name, f"{got:,}", f"{want:,.0f}", f"{got / total:.2%}"]
        for name, got, want in zip(names, balance["observed"], balance["expected"], strict=True)
    ]
    way = "below" if balance["broken"] else "not below"
    said = f"p at every look {balance['p_anytime']:.3g}, {way} the limit of {balance['limit']:g}."
    parts = ["<h2>Arms</h2>", _table("Units", ["", "met", "planned", "share"], rows), f"<p>{said}</p>"]
    for part, found in report["parts_out_of_balance"].items():
        sizes = ", ".join(f"{one:,}" for one in found["observed"])
        parts.append(f"<p>Out of balance among {escape(part)}: {sizes} (p {found['p_anytime']:.2g}).</p>")
    if report["crossed"]:
        parts.append(f"<p>{report['crossed']:,} units met more than one arm; they are left out.</p>")
    course = [one for one in report["course"] if sum(one["sizes"])]
    if len(course) > 1:
        parts.append(_shares(report, course))
    return parts


def _shares(report: dict[str, Any], course: list[dict[str, Any]]) -> str:
    clock, arms = _Clock(course), report["plan"]["arms"]
    columns = [[one["sizes"][n] / sum(one["sizes"]) for one in course] for n in range(len(arms))]
    nothing: list[float | None] = [None] * len(course)
    bands = [Band(arm["name"], ys, nothing, nothing) for arm, ys in zip(arms, columns, strict=True)]
    planned = sorted({arm["share"] for arm in arms})
    rules = [Rule(share, "as planned" if not n else "") for n, share in enumerate(planned)]
    last = ", ".join(f"{arm['name']} {ys[-1]:.1%}" for arm, ys in zip(arms, columns, strict=True))
    label = f"Time since the first exposure in {clock.unit}"
    told = f"Share of the arms over time, at the end {last}"
    return plot("shares", clock.hours, bands, rules, x=label, y="share of all units", told=told)


def _plan(plan: dict[str, Any]) -> str:
    arms = [[arm["name"], f"{arm['share']:g}", arm["version"] or "-"] for arm in plan["arms"]]
    rows = [
        [
            one["name"],
            one["kind"],
            one["better"],
            f"{one['tolerated']:g}" if one["guardrail"] else "-",
            f"{one['within_s'] / 3600:g} h" if one["within_s"] is not None else "-",
            one["before"] or "-",
        ]
        for one in plan["metrics"]
    ]
    error = f"a wrong conclusion on a metric has a probability of {plan['alpha']:.0%} at most"
    facts = f"{plan['units']:,} units in all; {error}."
    return (
        f"<h2>Plan</h2><p>{facts}</p>"
        + _table("Arms", ["", "share", "version"], arms)
        + _table("Metrics", ["", "kind", "better", "tolerated", "within", "known before"], rows)
    )


def _figure(value: float | None, *, sign: bool = False) -> str:
    return "-" if value is None else f"{value:+.4g}" if sign else f"{value:.4g}"


def _table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table that scrolls by itself; the first cell of a row names it."""
    columns = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    lines = []
    for first, *others in rows:
        cells = "".join(f"<td>{escape(cell)}</td>" for cell in others)
        lines.append(f'<tr><th scope="row">{escape(first)}</th>{cells}</tr>')
    inner = f"<table><thead><tr>{columns}</tr></thead><tbody>{''.join(lines)}</tbody>"
    named = f'<p class="name quiet">{escape(caption)}</p>'
    return f'{named}<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}">{inner}</table></div>'
