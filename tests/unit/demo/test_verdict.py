"""The demo's verdict: passes only when model, answers, files and metrics all bear it out."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.verdict import Evidence, verdict, wilson_interval

GOOD = Evidence(
    held_out_pairs=108,
    reward_accuracy=1.0,
    length_before=60.0,
    length_after=20.0,
    empty_answers=0,
    steps=24,
    steps_seen=24,
)


def test_good_evidence_passes() -> None:
    """Nothing speaks against it."""
    assert verdict(GOOD).passed


@pytest.mark.parametrize(
    "changes",
    [
        {"reward_accuracy": 65 / 108},
        {"held_out_pairs": 4},
        {"length_after": 42.0},
        {"steps_seen": 12},
    ],
)
def test_values_on_the_right_side_of_a_threshold_pass(changes: dict[str, Any]) -> None:
    """Thresholds are where they are said to be."""
    assert verdict(replace(GOOD, **changes)).passed


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"reward_accuracy": 64 / 108}, "not above chance: the interval's lower end is 0.498"),
        ({"reward_accuracy": 0.0}, "not above chance"),
        ({"held_out_pairs": 3}, "the interval's lower end is 0.439"),
        ({"held_out_pairs": 0}, "no evaluation"),
        ({"length_after": 42.1}, "60.0 to 42.1 tokens, 30% shorter; at least 30% is needed"),
        ({"length_after": 80.0}, "-33% shorter"),
        ({"length_before": 0.0, "length_after": 0.0}, "0% shorter"),
        ({"empty_answers": 1}, "1 of the adapter's answers are empty"),
        ({"steps_seen": 11}, "samples of 11 of 24 steps"),
        ({"steps": 0, "steps_seen": 0}, "samples of 0 of 0 steps"),
        ({"broken_files": ("adapter/x",)}, "contradicts what is stored: adapter/x"),
        ({"withheld": True}, "withheld"),
    ],
)
def test_each_weak_point_is_named(changes: dict[str, Any], reason: str) -> None:
    """One weak point, one reason, with its figures."""
    judged = verdict(replace(GOOD, **changes))
    assert not judged.passed
    assert len(judged.reasons) == 1
    assert reason in judged.reasons[0]


def test_a_run_that_learnt_nothing_fails_on_both_counts() -> None:
    """With learning rate 0 every reward ties and every answer stays as it was."""
    judged = verdict(replace(GOOD, reward_accuracy=0.0, length_after=GOOD.length_before))
    assert len(judged.reasons) == 2


@pytest.mark.parametrize(
    ("correct", "total", "low", "high"),
    [
        # Newcombe (1998), table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_intervals_are_the_published_ones(
    correct: int, total: int, low: float, high: float
) -> None:
    """The formula is Wilson's, without continuity correction."""
    interval = wilson_interval(correct, total)
    assert interval.low == pytest.approx(low, abs=5e-5)
    assert interval.high == pytest.approx(high, abs=5e-5)


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_an_interval_holds_its_share(counts: tuple[int, int]) -> None:
    """The observed share lies inside, and the ends are shares."""
    correct, total = counts
    interval = wilson_interval(correct, total)
    rounding = 1e-12
    assert -rounding <= interval.low <= correct / total + rounding
    assert correct / total - rounding <= interval.high <= 1 + rounding


def test_nothing_has_no_interval() -> None:
    """Zero observations are an error, not a wide interval."""
    with pytest.raises(ValueError, match="at least one"):
        wilson_interval(0, 0)
