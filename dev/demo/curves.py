"""Training curves: read back from Prometheus, drawn in a terminal or as a picture.

The trainer's own files are left alone on purpose: what is shown is what monitoring has seen.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

MAX_POINTS = 10_000
"""Prometheus refuses a range of more than 11,000 points a series."""

Series = Mapping[float, float]
"""Value by Unix time."""


class CurvesError(Exception):
    """Prometheus did not answer as asked; the message says what it said."""


@dataclass(frozen=True, slots=True)
class Curves:
    """What Prometheus knows about a run, by optimizer step."""

    steps_seen: int
    loss: tuple[tuple[int, float], ...]
    margin: tuple[tuple[int, float], ...]


def read_curves(url: str, selector: str, start: float, end: float) -> Curves:
    """Loss and margin by step between two Unix times.

    Args:
        url: where Prometheus answers.
        selector: label matchers of the run's series, without braces.
        start: first second to look at.
        end: last second to look at.

    Raises:
        CurvesError: Prometheus cannot be reached, or refuses the query.
    """
    step, loss, margin = (
        read_range(url, f"preftrain_{name}{{{selector}}}", start, end)
        for name in ("step", "loss", "reward_margin")
    )
    return Curves(
        steps_seen=len({int(value) for value in step.values() if value >= 1}),
        loss=join_by_step(step, loss),
        margin=join_by_step(step, margin),
    )


def read_range(url: str, query: str, start: float, end: float) -> dict[float, float]:
    """One query over time; several pods of one run follow each other and become one series."""
    resolution = max(1.0, (end - start) / MAX_POINTS)
    form = urlencode({"query": query, "start": start, "end": end, "step": resolution}).encode()
    request = Request(f"{url.rstrip('/')}/api/v1/query_range", data=form)  # noqa: S310 (http)
    try:
        with urlopen(request, timeout=30) as response:  # noqa: S310
            answer = json.load(response)
    except (URLError, TimeoutError, ValueError) as error:
        raise CurvesError(f"Prometheus at {url} did not answer the query: {error}") from error
    return {
        float(time): float(value)
        for series in answer["data"]["result"]
        for time, value in series["values"]
        if value not in ("NaN", "+Inf", "-Inf")
    }


def join_by_step(step: Series, values: Series) -> tuple[tuple[int, float], ...]:
    """Pair values with the step of the same scrape; of several scrapes of a step the last counts.

    Step 0 is left out: nothing has been trained then.
    """
    joined = {
        int(step[time]): values[time]
        for time in sorted(step.keys() & values.keys())
        if step[time] >= 1
    }
    return tuple(sorted(joined.items()))


def draw(points: Sequence[tuple[int, float]], title: str, width: int = 60, rows: int = 8) -> str:
    """A curve in Braille dots, two across and four down a character, with its range beside it."""
    if not points:
        return f"{title}: no samples"
    steps = [step for step, _ in points]
    values = [value for _, value in points]
    low, high = min(values), max(values)
    span_x, span_y = (steps[-1] - steps[0]) or 1, (high - low) or 1.0
    cells = [[0] * width for _ in range(rows)]
    above = None
    for column in range(2 * width):
        at = steps[0] + span_x * column / (2 * width - 1)
        dot = round((high - interpolate(points, at)) / span_y * (4 * rows - 1))
        # A steep part spans several dots of a column; without them it would fall apart.
        start = dot if above is None else above + (dot > above) - (dot < above)
        for row in range(min(start, dot), max(start, dot) + 1):
            cells[row // 4][column // 2] |= BRAILLE[row % 4][column % 2]
        above = dot
    labels = {0: f"{high:8.3f}", rows - 1: f"{low:8.3f}"}
    lines = [
        f"{labels.get(number, ' ' * 8)} ┤{''.join(chr(0x2800 + cell) for cell in line)}"
        for number, line in enumerate(cells)
    ]
    foot = f"{'step':>8} └{steps[0]:<{width // 2}}{steps[-1]:>{width - width // 2}}"
    return "\n".join([f"{title}: {values[0]:.3f} to {values[-1]:.3f}", *lines, foot])


BRAILLE = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Bits of the dots of a Braille character, by row and column (Unicode, block 2800)."""


def interpolate(points: Sequence[tuple[int, float]], at: float) -> float:
    """Value of the curve between its points."""
    for (left, low), (right, high) in pairwise(points):
        if left <= at <= right:
            return low + (high - low) * (at - left) / (right - left)
    return points[-1][1]


def draw_picture(
    path: Path, curves: Curves, lengths: Sequence[tuple[int, int]], title: str
) -> None:
    """Loss, margin and answer lengths as a picture; the file's ending chooses its format.

    Args:
        path: where to write it.
        curves: what Prometheus knows.
        lengths: tokens of each free answer before and after.
        title: one line above the picture.
    """
    import matplotlib as mpl

    mpl.use("Agg")  # there is no screen
    from matplotlib import pyplot

    figure, (loss, margin, answers) = pyplot.subplots(1, 3, figsize=(12, 3.6))
    for axis, points, name in ((loss, curves.loss, "loss"), (margin, curves.margin, "margin")):
        axis.plot([step for step, _ in points], [value for _, value in points], marker=".")
        axis.set(xlabel="optimizer step", title=name)
    places = range(len(lengths))
    answers.bar([at - 0.2 for at in places], [old for old, _ in lengths], 0.4, label="base")
    answers.bar([at + 0.2 for at in places], [new for _, new in lengths], 0.4, label="adapter")
    answers.set(xlabel="held-out question", title="tokens of the free answer")
    answers.legend()
    figure.suptitle(title)
    figure.tight_layout()
    # Without a date the same run gives the same bytes.
    extra = {"Date": None} if path.suffix == ".svg" else {}
    figure.savefig(path, dpi=120, metadata=extra)
    pyplot.close(figure)
