"""Shows a run's progress: a bar on a terminal, plain lines in a log."""

import math
import time
from collections.abc import Callable
from typing import Final, TextIO

from preftrain_api.progress import Progress

_LINE_SECONDS: Final = 10.0
"""A log gets a line at least this often while steps are made, and not much more often."""
_BAR_SECONDS: Final = 0.1
_BAR_CHARACTERS: Final = 24


class ProgressPrinter:
    """Takes every change of the progress and writes as much of it as suits the stream."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._is_terminal = stream.isatty()
        self._phase = ""
        self._step = -1
        self._written = -math.inf
        self._bar_is_open = False

    def __call__(self, progress: Progress) -> None:
        """Show the progress if it is news."""
        now = self._clock()
        pause = _BAR_SECONDS if self._is_terminal else _LINE_SECONDS
        is_last = 0 < progress.total_steps == progress.step
        if progress.phase != self._phase:
            self._close_bar()
            self._phase = progress.phase
        elif progress.step == self._step or (now - self._written < pause and not is_last):
            return
        self._step, self._written = progress.step, now
        if self._is_terminal and progress.phase == "Training":
            self._stream.write(f"\r\x1b[2K{bar(progress)}")
            self._bar_is_open = True
        else:
            self._stream.write(f"{line(progress)}\n")
        self._stream.flush()

    def close(self) -> None:
        """Leave the cursor on a line of its own."""
        self._close_bar()
        self._stream.flush()

    def _close_bar(self) -> None:
        if self._bar_is_open:
            self._stream.write("\n")
            self._bar_is_open = False


def line(progress: Progress) -> str:
    """One line of a log."""
    if not progress.total_steps or progress.phase != "Training":
        return progress.phase
    return f"{progress.phase} {_figures(progress)}"


def bar(progress: Progress) -> str:
    """One line of a terminal."""
    total = progress.total_steps
    filled = _BAR_CHARACTERS * progress.step // total if total else 0
    return f"[{'#' * filled}{'.' * (_BAR_CHARACTERS - filled)}] {_figures(progress)}"


def _figures(progress: Progress) -> str:
    metrics = progress.metrics
    parts = [f"{progress.step}/{progress.total_steps} ({progress.percent} %)"]
    for name, value in (
        ("loss", metrics.loss),
        ("margin", metrics.reward_margin),
        ("accuracy", metrics.reward_accuracy),
    ):
        if value is not None:
            parts.append(f"{name} {value:.4g}")
    if progress.eta_seconds:  # nothing is left after the last step
        minutes, seconds = divmod(round(progress.eta_seconds), 60)
        parts.append(f"{minutes}:{seconds:02d} left")
    return "  ".join(parts)
