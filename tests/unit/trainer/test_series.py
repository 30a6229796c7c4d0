"""Curves out of what a run has written down."""

import math
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from preftrain_trainer.report.series import (
    points,
    read_lines,
    smoothed,
    thinned,
    tokens_per_step,
)


def test_a_step_made_twice_counts_as_it_was_made_last() -> None:
    """After a resume the log holds steps that were done again."""
    lines = [{"step": 1, "loss": 3.0}, {"step": 2, "loss": 2.0}, {"step": 2, "loss": 1.5}]
    assert points(lines, "loss") == ((1, 3.0), (2, 1.5))


def test_figures_that_are_no_numbers_stay_what_they_are() -> None:
    """The log spells them as text."""
    assert math.isnan(points([{"step": 1, "loss": "nan"}], "loss")[0][1])


def test_what_was_not_logged_has_no_points() -> None:
    """Methods log different figures."""
    assert points([{"step": 1, "loss": 3.0}], "kl") == ()


def test_tokens_of_a_step_survive_a_new_process() -> None:
    """The count starts again there."""
    lines = [{"step": step, "tokens": tokens} for step, tokens in ((1, 10), (2, 25), (3, 12))]
    assert tokens_per_step(lines) == ((1, 10), (2, 15), (3, 12))
    assert tokens_per_step(lines[1:]) == ((3, 12),)
    assert tokens_per_step([]) == ()


def test_a_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    """As a killed process leaves it; and a file that never was has no lines."""
    path = tmp_path / "metrics.jsonl"
    assert read_lines(path) == ()
    path.write_text('{"step": 1}\n{"step": 2, "lo')
    assert read_lines(path) == ({"step": 1},)


def test_the_mean_of_a_constant_is_the_constant_from_the_first_step() -> None:
    """It starts without a bias towards zero, and steps over what is no number."""
    values = tuple((step, 4.0) for step in range(1, 61))
    assert all(abs(value - 4.0) < 1e-9 for _, value in smoothed(values))
    assert len(smoothed((*values, (61, math.nan)))) == 60


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=300), st.integers(4, 60))
def test_thinning_keeps_the_extremes_and_the_order(values: list[float], most: int) -> None:
    """A spike must not vanish because there are too many points."""
    given_points = tuple(enumerate(values))
    kept = thinned(given_points, most)
    assert len(kept) <= max(most + 2, 2)
    assert [step for step, _ in kept] == sorted({step for step, _ in kept})
    finite = [value for value in values if math.isfinite(value)]
    if finite:
        shown = [value for _, value in kept if math.isfinite(value)]
        assert (min(shown), max(shown)) == (min(finite), max(finite))
