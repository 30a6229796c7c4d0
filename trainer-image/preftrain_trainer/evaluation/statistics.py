"""Statistics that verdicts rest on. Pure."""

from math import sqrt
from typing import Final

Z_95: Final = 1.959963984540054
"""97.5 % quantile of the standard normal distribution."""


def wilson_interval(successes: int, trials: int, z: float = Z_95) -> tuple[float, float]:
    """Interval for a proportion, by default with 95 % confidence.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
    J. Am. Stat. Assoc. 22 (1927), 209-212. Unlike the textbook interval it keeps its
    confidence for small samples and for proportions near 0 and 1 (Brown, Cai and DasGupta,
    Statistical Science 16 (2001), 101-133).

    Raises:
        ValueError: without trials, or with more successes than trials.
    """
    if trials < 1 or not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes in {trials} trials")
    share = successes / trials
    shrink = 1 + z * z / trials
    centre = (share + z * z / (2 * trials)) / shrink
    half = z * sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials)) / shrink
    # At 0 and at 1 the formula gives exactly that end; rounding must not push it outside.
    return (
        0.0 if successes == 0 else max(0.0, centre - half),
        1.0 if successes == trials else min(1.0, centre + half),
    )
