"""Simulations as pictures: replicas, load, reconnects and cost over time, policies beside each other."""

from __future__ import annotations

import io
from collections.abc import Mapping
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

from plumbline.streaming.autoscaling.simulate import Simulation, Tick

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")  # Okabe and Ito: told apart also by the colour-blind
STYLES = ("-", "--", "-.", ":")
GREY = "#808080"  # readable on white and on black
POINTS = 1500
WIDTH = 130  # letters that stand beside each other over the charts


def svg(simulations: Mapping[str, Simulation], price_per_hour: float = 0.0) -> str:
    """Return one SVG with four charts above a common time axis.

    Args:
        simulations: By the policy's name, at most four of the same load.
        price_per_hour: Of one replica; 0 plots replica-hours instead of cost.

    Raises:
        ValueError: There are none, or more than four.
    """
    if not 1 <= len(simulations) <= len(COLOURS):
        raise ValueError(f"between one and {len(COLOURS)} simulations can be told apart, not {len(simulations)}")
    import matplotlib as mpl
    from matplotlib.figure import Figure

    inks = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
    look: Any = {"svg.fonttype": "none", "svg.hashsalt": "plumbline", "font.size": 9, **dict.fromkeys(inks, GREY)}
    with mpl.rc_context(look):
        figure = Figure(figsize=(9, 9), layout="constrained")
        figure.patch.set_alpha(0)
        axes = figure.subplots(4, 1, sharex=True)
        shown = _draw(list(axes), simulations, price_per_hour)
        # Above the charts, where it covers no line; as many beside each other as the longest name allows.
        columns = max(1, WIDTH // max(len(str(line.get_label())) + 8 for line in shown))
        figure.legend(handles=shown, loc="outside upper left", ncols=columns, fontsize=8, frameon=False)
        out = io.StringIO()
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Title": "Autoscaling, simulated"})
    return out.getvalue()[out.getvalue().index("<svg") :]


def _draw(axes: list[Axes], simulations: Mapping[str, Simulation], price_per_hour: float) -> list[Line2D]:
    """Draw the four charts; return a line of each kind for the legend."""
    longest = max(one.ticks[-1].at for one in simulations.values())
    unit, seconds = ("hours", 3600) if longest > 3 * 3600 else ("minutes", 60)
    shown: list[Line2D] = []
    for number, (name, simulation) in enumerate(simulations.items()):
        look: dict[str, Any] = {"color": COLOURS[number], "linestyle": STYLES[number], "linewidth": 1.4}
        ticks = _thin(simulation.ticks)
        at = [tick.at / seconds for tick in ticks]
        shown += axes[0].step(at, [tick.asked for tick in ticks], where="post", label=name, **look)
        axes[1].plot(at, [tick.fullest for tick in ticks], **look)
        axes[2].plot(at, [tick.reconnects_per_s for tick in ticks], **look)
        axes[3].plot(at, _spent(ticks, price_per_hour), **look)
    ticks = _thin(next(iter(simulations.values())).ticks)
    twin = axes[1].twinx()
    at, wanted = [tick.at / seconds for tick in ticks], [tick.wanted for tick in ticks]
    shown += twin.plot(at, wanted, color=GREY, linewidth=1, label="all clients (right scale)")
    twin.set_ylim(bottom=0)
    for place, title in zip(axes, _titles(price_per_hour), strict=True):
        place.set_title(title, loc="left", fontsize=9, color=GREY)
        place.set_ylim(bottom=0)
        place.grid(visible=True, color=GREY, alpha=0.25, linewidth=0.5)
        place.patch.set_alpha(0)
    axes[3].set_xlabel(unit)
    return shown


def _titles(price_per_hour: float) -> tuple[str, ...]:
    spent = "Cost so far" if price_per_hour else "Replica-hours so far"
    return "Replicas asked for", "Connections of the fullest replica", "Reconnects per second", spent


def _thin(ticks: tuple[Tick, ...]) -> list[Tick]:
    """Return as many ticks as a picture can show: of each group the one with the fullest replica, for peaks."""
    width = max(1, len(ticks) // POINTS)
    return [max(ticks[at : at + width], key=lambda tick: tick.fullest) for at in range(0, len(ticks), width)]


def _spent(ticks: list[Tick], price_per_hour: float) -> list[float]:
    spans = [0.0, *(after.at - before.at for before, after in pairwise(ticks))]
    return list(
        accumulate(tick.asked * span / 3600 * (price_per_hour or 1) for tick, span in zip(ticks, spans, strict=True))
    )
