"""A figure's course: where it began, and where it is now without the noise of single steps."""

from dataclasses import dataclass
from typing import Final

from preftrain_trainer.guards.alarm import figure

BASE_STEPS: Final = 10
"""Steps after the first whose mean is the beginning. The first is left out: it is before any
update."""
SMOOTHING: Final = 0.1
"""Weight of the newest step in the exponential mean, which so looks back on about 19 steps."""


@dataclass(frozen=True, slots=True)
class Trend:
    """A figure's beginning and its exponential mean since, which starts from there."""

    steps: int = 0
    begun: float = 0.0
    """Mean of the steps so far, until there are 10."""
    mean: float = 0.0

    @property
    def base(self) -> float | None:
        """Mean of the first 10 steps after step 1; None before they are over."""
        return self.begun if self.steps >= BASE_STEPS else None

    @property
    def now(self) -> float | None:
        """The exponential mean; None before there is a base."""
        return self.mean if self.steps >= BASE_STEPS else None

    def after(self, step: int, value: float | None) -> "Trend":
        """The trend with one more step; a figure that is missing or no number changes nothing."""
        number = figure(value)
        if number is None or step <= 1:
            return self
        if self.steps < BASE_STEPS:
            begun = self.begun + (number - self.begun) / (self.steps + 1)
            return Trend(self.steps + 1, begun, begun)
        mean = self.mean + SMOOTHING * (number - self.mean)
        return Trend(self.steps, self.begun, mean)


UNSEEN: Final = Trend()
"""Before the first step."""
