"""Which runs are made, in which order. Pure.

Seed after seed, each with every learning rate, so that whatever is done when time is up is
balanced. Losses and betas take turns, so that over six seeds each rate meets each of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any, Final, Literal

DataSet = Literal["First", "Second"]
Group = Literal["Calibration", "Report", "SecondData"]

RATES: Final = (5e-6, 2e-5, 1e-4, 3e-4, 1e-3, 3e-3)
"""From what recipes use to what no model survives; a small model bears more than a large one."""
VARIANTS: Final[tuple[tuple[float, tuple[str, ...]], ...]] = (
    (0.1, ("Sigmoid",)),
    (0.05, ("Sigmoid",)),
    (0.5, ("Sigmoid",)),
    (0.1, ("Sigmoid", "SFT")),
    (0.1, ("Hinge",)),
    (0.1, ("IPO",)),
)
"""Beta and losses."""
RUNS_OF_FIRST: Final = 2
"""Variants a rate and seed on the first data set; the second has one."""
SHIFT_OF_SECOND: Final = 4


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """One run."""

    number: int
    data: DataSet
    seed: int
    learning_rate: float
    beta: float
    losses: tuple[str, ...]

    @property
    def group(self) -> Group:
        """What the run is for: even seeds of the first data set calibrate, odd ones report."""
        if self.data == "Second":
            return "SecondData"
        return "Report" if self.seed % 2 else "Calibration"

    def members(self, steps: int, max_length: int) -> dict[str, Any]:
        """Members of the spec that are the run's own."""
        losses = [{"type": loss} for loss in self.losses]
        return {
            "method": {"type": "DPO", "dpo": {"beta": self.beta, "losses": losses}},
            "training": {
                "learningRate": self.learning_rate,
                "maxSteps": steps,
                "batchSize": 8,
                "microBatchSize": 8,
                "maxLength": max_length,
                "seed": self.seed,
            },
        }


def planned(with_second: bool) -> Iterator[PlannedRun]:
    """Runs without end; whoever makes them stops when time is up."""
    number = count()
    for seed in count():
        for at, rate in enumerate(RATES):
            for turn in range(RUNS_OF_FIRST):
                beta, losses = VARIANTS[(at + RUNS_OF_FIRST * seed + turn) % len(VARIANTS)]
                yield PlannedRun(next(number), "First", seed, rate, beta, losses)
            if with_second:
                beta, losses = VARIANTS[(at + seed + SHIFT_OF_SECOND) % len(VARIANTS)]
                yield PlannedRun(next(number), "Second", seed, rate, beta, losses)
