"""When the state of training is saved while it goes on. Pure.

Saves in between are the guarantee: a node can vanish without a signal, and what was trained
since the last save is lost then. The save on SIGTERM only spares that loss where it comes.
"""

from dataclasses import dataclass
from math import ceil
from typing import Final

from preftrain_api.spec import CheckpointSpec

DEFAULT_PARTS: Final = 10
"""A run is saved this often when nothing is said, so an attempt costs a tenth at most."""
DEFAULT_SECONDS: Final = 600
"""But never less often than this, so an attempt costs ten minutes at most."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """A save is due after so many steps or so many seconds, whichever comes first."""

    every_steps: int | None
    every_seconds: float | None

    def is_due(self, steps: int, seconds: float) -> bool:
        """Whether to save, `steps` and `seconds` after the last time."""
        by_steps = self.every_steps is not None and steps >= self.every_steps
        by_seconds = self.every_seconds is not None and seconds >= self.every_seconds
        return by_steps or by_seconds


def rhythm_of(spec: CheckpointSpec, total_steps: int) -> Rhythm:
    """The rhythm that `checkpoint` asks for, in a run of `total_steps`."""
    if spec.every_steps is None and spec.every_seconds is None:
        return Rhythm(max(1, ceil(total_steps / DEFAULT_PARTS)), DEFAULT_SECONDS)
    return Rhythm(spec.every_steps, spec.every_seconds)
