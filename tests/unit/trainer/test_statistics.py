"""Intervals that verdicts rest on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preftrain_trainer.evaluation.statistics import wilson_interval


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        # By hand: (p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n), z = 1.959964.
        (81, 263, 0.25526, 0.36618),  # Newcombe 1998, table I
        (15, 148, 0.06239, 0.16053),  # Newcombe 1998, table I
        (0, 20, 0.0, 0.16113),  # Newcombe 1998, table I
        (1, 29, 0.00611, 0.17177),  # Newcombe 1998, table I
        (60, 100, 0.50200, 0.69060),
    ],
)
def test_the_interval_matches_published_values(
    successes: int, trials: int, low: float, high: float
) -> None:
    """Values from R. G. Newcombe, Statistics in Medicine 17 (1998), 857-872."""
    assert wilson_interval(successes, trials) == pytest.approx((low, high), abs=2e-4)


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_holds_the_share_and_stays_within_0_and_1(case: tuple[int, int]) -> None:
    """And it mirrors when successes and failures change places."""
    successes, trials = case
    low, high = wilson_interval(successes, trials)
    assert 0 <= low <= successes / trials <= high <= 1
    mirrored = wilson_interval(trials - successes, trials)
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=1e-12)


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (3, 2), (-1, 5)])
def test_impossible_counts_are_refused(successes: int, trials: int) -> None:
    """No interval without trials."""
    with pytest.raises(ValueError, match="successes in"):
        wilson_interval(successes, trials)
