"""Plots as SVG text: letters in the page's own colour, series in its custom properties, no script, no library.

The viewport is narrow, so that letters can still be read on a phone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 480, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 74, 14, 14, 42
_SETTLED = 0.25
"""Part of the course that does not set the scale: at first everything is wide."""


@dataclass(frozen=True, slots=True)
class Band:
    """A curve with its interval; both may lie beyond the plot.

    Args:
        name: For the legend.
        ys: The middle; None where nothing is known.
        lows: Lower end.
        highs: Upper end.
    """

    name: str
    ys: Sequence[float | None]
    lows: Sequence[float | None]
    highs: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Rule:
    """A horizontal line that means something.

    Args:
        at: Where.
        name: What it means; empty for one that stands in the legend already.
        look: Class of the line in the page's style.
    """

    at: float
    name: str
    look: str = "rule"


@dataclass(frozen=True, slots=True)
class _Scale:
    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        span = self.high - self.low or 1.0
        return self.start + (value - self.low) / span * (self.end - self.start)


def plot(
    name: str, xs: Sequence[float], bands: Sequence[Band], rules: Sequence[Rule], *, x: str, y: str, told: str
) -> str:
    """Return a figure.

    Args:
        name: A word that no other figure of the page has, for ids.
        xs: Where, rising.
        bands: The curves.
        rules: Lines to hold them against.
        x: Label with unit.
        y: Label with unit.
        told: What is to be seen, for those who do not see it.
    """
    across = _Scale(min(0.0, xs[0]), xs[-1], _LEFT, WIDTH - _RIGHT)
    low, high = _range(bands, rules)
    up = _Scale(low, high, HEIGHT - _BOTTOM, _TOP)
    clip = f"{name}-plot"
    area = f'x="{_LEFT}" y="{_TOP}" width="{WIDTH - _LEFT - _RIGHT}" height="{HEIGHT - _TOP - _BOTTOM}"'
    parts = [
        f'<svg role="img" aria-label="{escape(told)}" viewBox="0 0 {WIDTH} {HEIGHT}">',
        f'<clipPath id="{clip}"><rect {area}/></clipPath>',
        *_grid(across, up, x, y),
        f'<g clip-path="url(#{clip})">',
        *(_line_across(rule, up) for rule in rules),
        *(piece for number, band in enumerate(bands, 1) for piece in _band(band, number, xs, across, up)),
        "</g></svg>",
    ]
    return f"<figure>{''.join(parts)}<figcaption>{_legend(bands, rules)}</figcaption></figure>"


def _range(bands: Sequence[Band], rules: Sequence[Rule]) -> tuple[float, float]:
    seen = [rule.at for rule in rules]
    for band in bands:
        known = [n for n, value in enumerate(band.ys) if value is not None]
        settled = known[int(len(known) * _SETTLED) :]
        seen += [value for side in (band.lows, band.highs, band.ys) for n in settled if (value := side[n]) is not None]
    low, high = min(seen, default=0.0), max(seen, default=1.0)
    room = (high - low) * 0.08 or 0.05
    return low - room, high + room


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Return round values between two."""
    rough = (high - low) / about
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= rough * 0.999)
    first = math.ceil(low / step)
    return [round(number * step, 12) for number in range(first, math.floor(high / step) + 1)]


def _grid(across: _Scale, up: _Scale, x: str, y: str) -> list[str]:
    bottom, parts = HEIGHT - _BOTTOM, []
    for value in ticks(up.low, up.high):
        at = up(value)
        parts.append(f'<path class="grid" d="M{_LEFT} {at:.1f}H{WIDTH - _RIGHT}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{value:g}</text>')
    for value in ticks(across.low, across.high):
        at = across(value)
        parts.append(f'<path class="grid" d="M{at:.1f} {_TOP}V{bottom}"/>')
        parts.append(f'<text x="{at:.1f}" y="{bottom + 16}" text-anchor="middle">{value:g}</text>')
    middle = (_LEFT + WIDTH - _RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x)}</text>')
    centre = (_TOP + bottom) / 2
    turned = f'transform="rotate(-90 12 {centre})"'
    parts.append(f'<text x="12" y="{centre}" text-anchor="middle" {turned}>{escape(y)}</text>')
    return parts


def _line_across(rule: Rule, up: _Scale) -> str:
    return f'<path class="{rule.look}" d="M{_LEFT} {up(rule.at):.1f}H{WIDTH - _RIGHT}"/>'


def _band(band: Band, number: int, xs: Sequence[float], across: _Scale, up: _Scale) -> list[str]:
    top, bottom, middle = [], [], []
    for at, y, low, high in zip(xs, band.ys, band.lows, band.highs, strict=True):
        if y is None:
            continue
        middle.append(f"{across(at):.1f} {up(y):.1f}")
        if low is not None and high is not None:
            top.append(f"{across(at):.1f} {up(high):.1f}")
            bottom.append(f"{across(at):.1f} {up(low):.1f}")
    parts = []
    if len(top) > 1:
        parts.append(f'<path class="band s{number}" d="M{"L".join((*top, *reversed(bottom)))}Z"/>')
    if middle:
        parts.append(f'<path class="line s{number}" d="M{"L".join(middle)}"/>')
    return parts


def _legend(bands: Sequence[Band], rules: Sequence[Rule]) -> str:
    keys = [f'<span class="key"><i class="s{n}"></i>{escape(band.name)}</span>' for n, band in enumerate(bands, 1)]
    keys += [f'<span class="key"><i class="{rule.look}"></i>{escape(rule.name)}</span>' for rule in rules if rule.name]
    return " ".join(keys)
