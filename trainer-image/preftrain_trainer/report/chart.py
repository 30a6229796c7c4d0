"""Charts as inline SVG, coloured by the page's style sheet so that they follow light and dark.

Pure; every text goes through `escape`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import ceil, floor, isfinite, log10
from typing import Final

from markupsafe import Markup, escape

from preftrain_trainer.report.series import (
    SMOOTHED_FROM,
    Points,
    Series,
    smoothed,
    thinned,
)

WIDTH, HEIGHT = 560, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 14, 12, 30
_DRAWN: Final = 400
"""Points of a line at most; more than there are pixels."""
_HINTS: Final = 80
"""Columns that tell their values when pointed at."""
_BARS: Final = 32


@dataclass(frozen=True, slots=True)
class Mark:
    """A step at which something happened."""

    step: int
    text: str


@dataclass(frozen=True, slots=True)
class _Scale:
    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)


def line_chart(
    series: Sequence[Series],
    *,
    title: str,
    evaluated: Points = (),
    marks: Iterable[Mark] = (),
    bounds: tuple[float, float] | None = None,
    level: float | None = None,
    smooth: bool = True,
) -> Markup:
    """Lines over the optimizer steps; with many points their mean is drawn over them.

    Args:
        series: one to four lines.
        title: what a screen reader says.
        evaluated: values on the held-out pairs, drawn as points.
        marks: vertical lines.
        bounds: range of the values, by default that of the data.
        level: a horizontal line, where it lies within the range.
        smooth: draw the running mean over many points.
    """
    steps = [step for line in series for step, _ in line.points]
    values = [value for line in series for _, value in line.points if isfinite(value)]
    values += [value for _, value in evaluated if isfinite(value)]
    if not values:
        return _svg(title, [_text(WIDTH / 2, HEIGHT / 2, "no numbers", "middle")])
    across = _Scale(*_apart(min(steps), max(steps)), _LEFT, WIDTH - _RIGHT)
    low, high = bounds or _padded(min(values), max(values))
    up = _Scale(low, high, HEIGHT - _BOTTOM, _TOP)
    parts = [*_grid(up, across)]
    if level is not None and low <= level <= high:
        parts.append(_line("level", _LEFT, up(level), WIDTH - _RIGHT, up(level)))
    for number, line in enumerate(series):
        many = smooth and len(line.points) >= SMOOTHED_FROM
        parts += _polylines(line.points, across, up, f"c{number} raw" if many else f"c{number}")
        if many:
            parts += _polylines(smoothed(line.points), across, up, f"c{number}")
    parts += [
        Markup('<circle class="evaluated" cx="{}" cy="{}" r="4"><title>{}</title></circle>').format(
            across(step), up(value), f"held out, step {step}: {figure(value)}"
        )
        for step, value in evaluated
        if isfinite(value)
    ]
    parts += [
        Markup('<g class="mark">{}<title>{}</title></g>').format(
            _line("mark", across(mark.step), _TOP, across(mark.step), HEIGHT - _BOTTOM), mark.text
        )
        for mark in marks
        if across.low <= mark.step <= across.high
    ]
    parts += _hints(series, across, up)
    return _svg(title, parts)


def histogram(values: Sequence[float], *, title: str, zero: str) -> Markup:
    """How often values occur, those above and below zero in two colours.

    `zero` names the line between them.
    """
    finite = [value for value in values if isfinite(value)]
    if not finite:
        return _svg(title, [_text(WIDTH / 2, HEIGHT / 2, "no numbers", "middle")])
    low, high = _apart(min(*finite, 0.0), max(*finite, 0.0))
    width = _nice((high - low) / _BARS)
    first, last = floor(low / width), ceil(high / width)
    counts = [0] * (last - first)
    for value in finite:
        counts[min(floor(value / width) - first, len(counts) - 1)] += 1
    across = _Scale(first * width, last * width, _LEFT, WIDTH - _RIGHT)
    up = _Scale(0, max(counts) * 1.08, HEIGHT - _BOTTOM, _TOP)
    parts = [*_grid(up, across)]
    for at, count in enumerate(counts, first):
        if not count:
            continue
        left, right = across(at * width), across((at + 1) * width)
        parts.append(
            Markup(
                '<rect class="bar {}" x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>'
            ).format(
                "right" if at >= 0 else "wrong",
                round(left + 0.75, 1),
                up(count),
                round(right - left - 1.5, 1),
                round(up(0) - up(count), 1),
                f"{figure(at * width)} to {figure((at + 1) * width)}: {count}",
            )
        )
    parts.append(_line("level", across(0), _TOP, across(0), HEIGHT - _BOTTOM))
    parts.append(_text(across(0) + 5, _TOP + 10, zero, "start"))
    return _svg(title, parts)


def interval(value: float, low: float, high: float, *, title: str) -> Markup:
    """A share between 0 and 1 with its interval, and chance in the middle."""
    across = _Scale(0, 1, 6, 294)
    return Markup(
        '<svg class="interval" viewBox="0 0 300 34" role="img" aria-label="{}">'
        '<line class="track" x1="6" y1="12" x2="294" y2="12"/>'
        '<line class="span" x1="{}" y1="12" x2="{}" y2="12"/>'
        '<line class="level" x1="150" y1="2" x2="150" y2="22"/>'
        '<circle class="point" cx="{}" cy="12" r="5"/>'
        '<text x="6" y="32">0</text><text x="150" y="32" text-anchor="middle">chance</text>'
        '<text x="294" y="32" text-anchor="end">1</text></svg>'
    ).format(title, across(low), across(high), across(value))


def figure(value: float) -> str:
    """A number with three or four digits that count."""
    if not isfinite(value):
        return "no number"
    if value and not 1e-3 <= abs(value) < 1e5:
        digits, exponent = f"{value:.2e}".split("e")
        return f"{digits.rstrip('0').rstrip('.')}e{int(exponent)}"
    return f"{value:.4g}"


def _grid(up: _Scale, across: _Scale) -> Iterable[Markup]:
    for value in _ticks(up.low, up.high, 5):
        yield _line("grid", _LEFT, up(value), WIDTH - _RIGHT, up(value))
        yield _text(_LEFT - 8, up(value) + 4, figure(value), "end")
    for value in _ticks(across.low, across.high, 7):
        yield _text(across(value), HEIGHT - 10, figure(value), "middle")
    yield _line("axis", _LEFT, HEIGHT - _BOTTOM, WIDTH - _RIGHT, HEIGHT - _BOTTOM)


def _polylines(points: Points, across: _Scale, up: _Scale, kind: str) -> list[Markup]:
    """The line, in pieces where values are no numbers or outside of the range."""
    pieces = groupby(
        thinned(points, _DRAWN),
        key=lambda point: isfinite(point[1]) and up.low <= point[1] <= up.high,
    )
    drawn = []
    for inside, piece in pieces:
        if not inside:
            continue
        places = [f"{across(step)},{up(value)}" for step, value in piece]
        if len(places) == 1:
            x, y = places[0].split(",")
            drawn.append(
                Markup('<circle class="dot {}" cx="{}" cy="{}" r="3"/>').format(kind, x, y)
            )
        else:
            drawn.append(
                Markup('<polyline class="line {}" points="{}"/>').format(kind, " ".join(places))
            )
    return drawn


def _hints(series: Sequence[Series], across: _Scale, up: _Scale) -> Iterable[Markup]:
    """Invisible columns over the chart that show step and values when pointed at."""
    by_step: dict[int, list[tuple[Series, float]]] = {}
    for line in series:
        for step, value in line.points:
            by_step.setdefault(step, []).append((line, value))
    steps = sorted(by_step)
    chosen = steps[:: max(1, -(-len(steps) // _HINTS))]
    width = round((WIDTH - _LEFT - _RIGHT) / max(len(chosen), 1), 1)
    for step in chosen:
        values = ", ".join(f"{line.label} {figure(value)}" for line, value in by_step[step])
        yield Markup(
            '<g class="hint">{}<rect x="{}" y="{}" width="{}" height="{}"/><title>{}</title></g>'
        ).format(
            _line("cursor", across(step), _TOP, across(step), HEIGHT - _BOTTOM),
            round(across(step) - width / 2, 1),
            _TOP,
            width,
            HEIGHT - _TOP - _BOTTOM,
            f"step {step}: {values}",
        )


def _ticks(low: float, high: float, about: int) -> list[float]:
    step = _nice((high - low) / about)
    first = ceil(low / step - 1e-9)
    count = floor(high / step + 1e-9) - first + 1
    return [round((first + at) * step, 12) for at in range(count)]


def _nice(step: float) -> float:
    """The next larger of 1, 2 and 5 times a power of ten."""
    power = 10.0 ** floor(log10(step))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step * (1 - 1e-9))


def _apart(low: float, high: float) -> tuple[float, float]:
    return (low, high) if low < high else (low - 0.5, high + 0.5)


def _padded(low: float, high: float) -> tuple[float, float]:
    if low == high:
        space = abs(low) * 0.1 or 1.0
        return low - space, high + space
    space = (high - low) * 0.06
    return low - space, high + space


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> Markup:
    return Markup('<line class="{}" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(kind, x1, y1, x2, y2)


def _text(x: float, y: float, text: str, anchor: str) -> Markup:
    return Markup('<text x="{}" y="{}" text-anchor="{}">{}</text>').format(
        round(x, 1), round(y, 1), anchor, text
    )


def _svg(title: str, parts: Iterable[Markup]) -> Markup:
    return Markup(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>'
    ).format(WIDTH, HEIGHT, title, Markup("").join(escape(part) for part in parts))
