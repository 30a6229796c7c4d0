"""Progress for people: a bar on a terminal, sparse lines in a log."""

import io

from preftrain_api.progress import Progress
from preftrain_api.report import Metrics
from preftrain_trainer.progress.terminal import ProgressPrinter


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def at(step: int, total: int = 20) -> Progress:
    metrics = Metrics(loss=0.6931, reward_margin=0.01 * step, reward_accuracy=0.5)
    return Progress(
        uid="u",
        phase="Training",
        step=step,
        total_steps=total,
        eta_seconds=65.0,
        metrics=metrics,
    )


def test_a_log_gets_a_line_every_ten_seconds() -> None:
    """A step a second makes three lines of twenty steps: the first, the second ten, the last."""
    stream, clock = io.StringIO(), Clock()
    printer = ProgressPrinter(stream, clock)
    printer(Progress(uid="u", phase="LoadingModel"))

    for step in range(21):
        clock.now = float(step)
        printer(at(step))
    printer.close()

    assert stream.getvalue().splitlines() == [
        "LoadingModel",
        "Training 0/20 (0 %)  loss 0.6931  margin 0  accuracy 0.5  1:05 left",
        "Training 10/20 (50 %)  loss 0.6931  margin 0.1  accuracy 0.5  1:05 left",
        "Training 20/20 (100 %)  loss 0.6931  margin 0.2  accuracy 0.5  1:05 left",
    ]


def test_a_terminal_gets_one_line_that_changes() -> None:
    """The bar is redrawn in place and followed by a line break."""
    stream, clock = Terminal(), Clock()
    printer = ProgressPrinter(stream, clock)

    printer(at(0))
    clock.now = 1.0
    printer(at(10))
    printer.close()
    printer.close()

    text = stream.getvalue()
    assert text.count("\r") == 2
    assert text.count("\n") == 1
    assert "[############............] 10/20 (50 %)" in text


def test_no_news_is_not_shown() -> None:
    """The same step again writes nothing, however late."""
    stream, clock = io.StringIO(), Clock()
    printer = ProgressPrinter(stream, clock)

    printer(at(3))
    clock.now = 100.0
    printer(at(3))

    assert len(stream.getvalue().splitlines()) == 1
