"""What a guard answers, and what it takes for a figure."""

from dataclasses import dataclass
from math import isfinite


@dataclass(frozen=True, slots=True)
class Alarm:
    """What a guard says about a step: a sentence with the figures and the way out."""

    message: str
    grave: bool = True
    """Whether the run is past saving, so that the action Stop ends it."""


def figure(value: float | None) -> float | None:
    """The value where there is one and it is a number; NonFinite speaks about the others."""
    return value if value is not None and isfinite(value) else None
