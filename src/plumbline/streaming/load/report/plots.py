"""Plots as SVG text that follows the page: lines and letters in `currentColor`, series in colours for both schemes."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

COLOURS = ("#2a7fd4", "#d9822b", "#2e9e6b", "#b0489b", "#8a7a1e", "#d0453f", "#5c6bc0", "#00897b", "#795548")
"""At least 3:1 against white and against #1b1b1b (WCAG 2.1, 1.4.11); lines also differ in their dashes."""
DASHES = ("-", "--", "-.", ":")
ROOM = 1.08
"""Top of a vertical axis, in units of the highest value."""
_INK = "#010203"  # stands for the page's own colour until the SVG is written


@dataclass(frozen=True, slots=True)
class Line:
    """One series.

    Args:
        name: For the legend.
        xs: Where.
        ys: What.
        markers: Show the points.
    """

    name: str
    xs: Sequence[float]
    ys: Sequence[float]
    markers: bool = False


def lines(
    title: str,
    series: Sequence[Line],
    *,
    x: str,
    y: str,
    log_y: bool = False,
    log_x: bool = False,
    marks: Sequence[tuple[float, str]] = (),
    x_ticks: Sequence[tuple[float, str]] = (),
) -> str:
    """Return a line plot.

    Args:
        title: What it shows, also for those who do not see it.
        series: The lines.
        x: Label with unit.
        y: Label with unit.
        log_y: Logarithmic scale.
        log_x: Logarithmic scale.
        x_ticks: Where the x axis says what; it is logarithmic then.
        marks: Moments to mark with a vertical line, and what happened there.
    """
    figure, axes = _figure()
    _draw(axes, series)
    for at, name in marks:
        axes.axvline(at, color=_INK, linewidth=0.8, linestyle=":")
        axes.annotate(
            name, (at, 1.0), xycoords=("data", "axes fraction"), fontsize=8, color=_INK, rotation=90, va="top"
        )
    _scale_y(axes, [value for line in series for value in line.ys], log=log_y)
    _scale_x(axes, log=log_x, ticks=x_ticks)
    return _svg(figure, axes, title, x, y, legend=len(series) > 1)


def _draw(axes: Any, series: Sequence[Line]) -> None:
    for index, line in enumerate(series):
        axes.plot(
            list(line.xs),
            list(line.ys),
            DASHES[index // len(COLOURS) if len(series) > len(COLOURS) else index % len(DASHES)],
            color=COLOURS[index % len(COLOURS)],
            label=line.name,
            linewidth=1.6,
            marker="o" if line.markers or len(line.xs) == 1 else None,
            markersize=4,
        )


def _scale_y(axes: Any, values: Sequence[float], *, log: bool) -> None:
    """Leave room above the highest value, however flat the line is: matplotlib's own margin is a part of the range."""
    positive = [value for value in values if value > 0]
    if not log or not positive:
        axes.set_ylim(0, ROOM * max(positive, default=1.0))
        return
    axes.set_yscale("log")
    if max(positive) < 10 * min(positive):  # down to a power of ten, for only those are labelled
        axes.set_ylim(10 ** math.floor(math.log10(min(positive) / ROOM)), ROOM * max(positive))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_minor_formatter(lambda *_: "")


def _scale_x(axes: Any, *, log: bool, ticks: Sequence[tuple[float, str]]) -> None:
    if log or ticks:
        axes.set_xscale("log")
    if ticks:
        axes.set_xticks([at for at, _ in ticks], [name for _, name in ticks])
        axes.minorticks_off()


def nines(percentile: float) -> float:
    """Return where a percentile stands on an axis that gives each further nine the same room."""
    return 1 / (1 - percentile / 100)


NINES = tuple((nines(p), f"{p:g}") for p in (0.0, 50.0, 90.0, 99.0, 99.9, 99.99, 99.999))


def bars(title: str, names: Sequence[str], values: Sequence[float], *, x: str) -> str:
    """Return horizontal bars, the first on top, each with its value."""
    figure, axes = _figure(height=0.9 + 0.34 * len(names))
    places = range(len(names))
    drawn = axes.barh(list(places), list(values), color=COLOURS[0], height=0.65)
    axes.set_yticks(list(places), list(names))
    axes.invert_yaxis()
    axes.bar_label(
        drawn, [f"{value:,.3g}" if value < 1000 else f"{value:,.0f}" for value in values], padding=3, color=_INK
    )
    axes.margins(x=0.12)
    return _svg(figure, axes, title, x, "", legend=False)


def _figure(height: float = 3.2) -> tuple[Any, Any]:
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"svg.fonttype": "none"}):
        figure = Figure(figsize=(8.0, height), layout="constrained")
        axes = figure.subplots()
    figure.patch.set_alpha(0)
    axes.patch.set_alpha(0)
    return figure, axes


def _svg(figure: Any, axes: Any, title: str, x: str, y: str, *, legend: bool) -> str:
    from matplotlib import rc_context

    axes.set_xlabel(x, color=_INK)
    axes.set_ylabel(y, color=_INK)
    axes.tick_params(colors=_INK, labelsize=9)
    axes.grid(visible=True, color=_INK, alpha=0.15, linewidth=0.6)
    for side, spine in axes.spines.items():
        spine.set_color(_INK)
        spine.set_visible(side in ("left", "bottom"))
    if legend:
        axes.legend(frameon=False, labelcolor=_INK, fontsize=9, ncols=2)
    out = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": title, "font.family": "sans-serif"}):
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return _inline(out.getvalue(), title)


def _inline(svg: str, title: str) -> str:
    """Return the SVG element alone with a caption, in the page's own colour and with a name of its own."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = body.replace(_INK, "currentColor").replace(" xmlns:xlink=", " xmlns:xlink=")
    named = f'<svg role="img" aria-label="{escape(title, {chr(34): "&quot;"})}" style="max-width:100%;height:auto" '
    # Ids are per document: two plots on one page must not share clip paths.
    prefix = re.sub(r"\W+", "-", title.lower()).strip("-")
    body = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}-\1"', body)
    body = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}-\1)", body)
    body = re.sub(r'xlink:href="#([^"]+)"', rf'xlink:href="#{prefix}-\1"', body)
    drawn = named + body[len("<svg ") :].strip()
    return f"<figure>\n{drawn}\n<figcaption>{escape(title)}</figcaption>\n</figure>\n"
