"""Remembers what quotas and policies refused, so that not every event tries it again."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from preftrain_operator.core.observed import Refusal


@dataclass(frozen=True, slots=True)
class _Kept:
    refusal: Refusal
    generation: int
    until: float


class Refusals:
    """The last refusal of each job.

    Args:
        clock: seconds that only go forward.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: dict[str, _Kept] = {}

    def keep(self, key: str, refusal: Refusal, generation: int, seconds: float) -> None:
        """Let `refusal` stand for so many seconds, or until the job is edited."""
        self._kept[key] = _Kept(refusal, generation, self._clock() + seconds)

    def standing(self, key: str, generation: int) -> tuple[Refusal, float] | None:
        """What still stands, and for how many seconds."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        left = kept.until - self._clock()
        if left <= 0 or kept.generation != generation:
            del self._kept[key]
            return None
        return kept.refusal, left

    def forget(self, key: str) -> None:
        """The job is gone."""
        self._kept.pop(key, None)
