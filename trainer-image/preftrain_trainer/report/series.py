"""Curves out of the lines that a run has written down. Pure but for the reading."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from operator import itemgetter
from pathlib import Path

from preftrain_trainer.report.content import Line

Points = tuple[tuple[int, float], ...]
"""Step and value, by rising step; values may be no numbers."""

SMOOTHED_FROM = 40
"""Fewer points are shown as they are."""


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a chart."""

    label: str
    points: Points

    @property
    def last(self) -> float:
        """The newest value."""
        return self.points[-1][1]


def read_lines(path: Path) -> tuple[Line, ...]:
    """The lines of a JSONL file; none when there is no such file.

    A last line that was cut off, as a killed process leaves it, is left out.
    """
    if not path.is_file():
        return ()
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:
            continue
    return tuple(lines)


def points(lines: Iterable[Line], key: str) -> Points:
    """Values of `key` by step; of a step that was made twice, as after a resume, the newest."""
    found = {int(line["step"]): float(line[key]) for line in lines if key in line}
    return tuple(sorted(found.items()))


def tokens_per_step(lines: Iterable[Line]) -> Points:
    """Tokens of each step; the log counts them from the start of a process."""
    total = points(lines, "tokens")
    first = [(total[0][0], total[0][1])] if total and total[0][0] == 1 else []
    later = [
        (step, after - before if after >= before else after)
        for (_, before), (step, after) in pairwise(total)
    ]
    return (*first, *later)


def smoothed(values: Points) -> Points:
    """An exponential mean over about a twentieth of the run; values that are no numbers stay out.

    The mean is divided by the weight that it has gathered, so it does not start at zero
    (Kingma and Ba, arXiv 1412.6980, section 3).
    """
    keep = 1 - 1 / max(2.0, len(values) / 20)
    mean, weight, result = 0.0, 0.0, []
    for step, value in values:
        if not isfinite(value):
            continue
        mean = keep * mean + (1 - keep) * value
        weight = keep * weight + (1 - keep)
        result.append((step, mean / weight))
    return tuple(result)


def thinned(values: Points, most: int) -> Points:
    """At most about `most` points that keep every peak: the least and the greatest of each part."""
    if len(values) <= most:
        return values
    size = -(-2 * len(values) // most)
    kept: list[tuple[int, float]] = []
    for start in range(0, len(values), size):
        part = values[start : start + size]
        # Of values that are no numbers the first stands for all.
        finite = [point for point in part if isfinite(point[1])] or part[:1]
        kept += sorted({min(finite, key=itemgetter(1)), max(finite, key=itemgetter(1))})
    return tuple(kept)
