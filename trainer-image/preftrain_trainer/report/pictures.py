"""The main curves as PNG files, for places that show pictures and no pages."""

from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from preftrain_trainer.report.content import Line
from preftrain_trainer.report.figures import FIGURES, Figure
from preftrain_trainer.report.series import SMOOTHED_FROM, points, smoothed

_COLOURS = ("#2f6fde", "#d2691e")


def write_pictures(folder: Path, steps: Sequence[Line], evaluations: Sequence[Line]) -> None:
    """One file a curve that the run has logged; the same log gives the same bytes."""
    for figure in FIGURES:
        if figure.picture and figure.series(steps):
            folder.mkdir(parents=True, exist_ok=True)
            _draw(folder / f"{figure.name}.png", figure, steps, evaluations)


def _draw(path: Path, figure: Figure, steps: Sequence[Line], evaluations: Sequence[Line]) -> None:
    # Not pyplot: its figures would stay in memory, and it looks for a screen.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    canvas = Canvas(figsize=(6.4, 3.6), dpi=120, layout="constrained")
    FigureCanvasAgg(canvas)
    axes: Any = canvas.subplots()
    for colour, series in zip(_COLOURS, figure.series(steps), strict=False):
        finite = [(step, value) for step, value in series.points if isfinite(value)]
        many = figure.smooth and len(finite) >= SMOOTHED_FROM
        axes.plot(*_columns(finite), color=colour, alpha=0.3 if many else 1, lw=1.5)
        if many:
            axes.plot(*_columns(smoothed(series.points)), color=colour, lw=2)
        axes.plot([], [], color=colour, lw=2, label=series.label)
    held_out = points(evaluations, figure.evaluated) if figure.evaluated else ()
    if held_out:
        axes.plot(*_columns(held_out), "o", color="#111827", ms=5, label="held out")
    if figure.bounds:
        axes.set_ylim(*figure.bounds)
    if figure.level is not None:
        axes.axhline(figure.level, color="#9ca3af", lw=1, ls="--")
    axes.set(title=figure.title, xlabel="optimizer step")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    canvas.savefig(path, metadata={"Software": None})


def _columns(values: Sequence[tuple[int, float]]) -> tuple[list[int], list[float]]:
    return [step for step, _ in values], [value for _, value in values]
