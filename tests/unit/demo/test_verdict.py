"""The demo's verdict: passes only when model, answers, files and metrics all bear it out."""

from dataclasses import replace
from typing import Any

import pytest

from demo.verdict import Evidence, verdict

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
