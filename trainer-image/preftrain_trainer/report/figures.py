"""Which curves a report shows. Adding one is adding an entry here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from preftrain_trainer.report.content import Line
from preftrain_trainer.report.series import Points, Series, points, tokens_per_step

Read = Callable[[Sequence[Line]], Points]


@dataclass(frozen=True, slots=True)
class Figure:
    """One chart: its lines, and what to look for in it."""

    name: str
    title: str
    says: str
    """One sentence for those who do not read such curves every day."""
    lines: tuple[tuple[str, Read], ...]
    evaluated: str | None = None
    """Key of the same figure in `evaluations.jsonl`."""
    bounds: tuple[float, float] | None = None
    """Range of the axis where the figure has one."""
    level: float | None = None
    """A value to compare with, drawn as a line."""
    smooth: bool = True
    """Whether a mean is drawn over many points; not where the values are exact."""
    picture: bool = False
    """Whether it is one of the main curves, which are also written as pictures."""

    def series(self, lines: Sequence[Line]) -> tuple[Series, ...]:
        """What the log holds of it; empty when the method does not log it."""
        found = (Series(label, read(lines)) for label, read in self.lines)
        return tuple(series for series in found if series.points)


def _of(key: str) -> Read:
    return lambda lines: points(lines, key)


FIGURES: Final[tuple[Figure, ...]] = (
    Figure(
        "loss",
        "Loss",
        "Falls while the adapter learns; flat means that it does not.",
        (("training", _of("loss")),),
        evaluated="loss",
        picture=True,
    ),
    Figure(
        "margins",
        "Reward margin",
        "How much more the chosen answers have gained than the rejected ones.",
        (("training", _of("reward_margin")),),
        evaluated="rewardMargin",
        level=0.0,
        picture=True,
    ),
    Figure(
        "accuracy",
        "Reward accuracy",
        "Share of pairs whose chosen answer gained more; one half is chance.",
        (("training", _of("reward_accuracy")),),
        evaluated="rewardAccuracy",
        bounds=(0.0, 1.0),
        level=0.5,
        picture=True,
    ),
    Figure(
        "rewards",
        "Rewards",
        "Both may fall; what counts is that the chosen stay above the rejected.",
        (("chosen", _of("rewards_chosen")), ("rejected", _of("rewards_rejected"))),
        level=0.0,
    ),
    Figure(
        "log_probabilities",
        "Log-probabilities of the answers",
        "In nats, summed over an answer. Chosen answers that become ever less likely are a sign "
        "of displacement.",
        (
            ("chosen", _of("log_probability_chosen")),
            ("rejected", _of("log_probability_rejected")),
        ),
        picture=True,
    ),
    Figure(
        "token_accuracy",
        "Token accuracy",
        "Share of chosen tokens that the model would have written; a fall means that it forgets "
        "how to write.",
        (("training", _of("token_accuracy")),),
    ),
    Figure(
        "entropy",
        "Entropy",
        "In nats a token. A steep rise is noise, a steep fall is one answer to everything.",
        (("training", _of("entropy")),),
    ),
    Figure(
        "gradient_norm",
        "Gradient norm",
        "Before clipping; single spikes are normal, growing ones are not.",
        (("training", _of("grad_norm")),),
    ),
    Figure(
        "learning_rate",
        "Learning rate",
        "As it was applied.",
        (("training", _of("learning_rate")),),
        smooth=False,
    ),
    Figure(
        "lengths",
        "Tokens a step",
        "Prompts and answers together.",
        (("training", tokens_per_step),),
    ),
    Figure(
        "seconds",
        "Seconds a step",
        "Without the first one, in which kernels are compiled.",
        (("training", lambda lines: points(lines, "seconds")[1:]),),
    ),
)
