"""Whether an adapter may be published."""

from typing import Any

import pytest

from preftrain_api.report import Evaluation
from preftrain_trainer.errors import BadSpec
from preftrain_trainer.evaluation.gates import judge, missed, require_held_out, withheld
from preftrain_trainer.evaluation.statistics import wilson_interval
from support.specs import resolved_spec


def evaluation(**values: Any) -> Evaluation:
    figures: dict[str, Any] = {
        "pairs": 100,
        "reward_accuracy": 0.62,
        "accuracy_low": 0.52,
        "accuracy_high": 0.71,
        "reward_margin": 0.4,
        "loss": 0.6,
        "chosen_log_ratio": -2.0,
    }
    return Evaluation(**(figures | values))


@pytest.mark.parametrize(
    ("pairs", "low", "verdicts"),
    [
        (100, 0.52, [True]),
        (100, 0.5, [False]),
        (100, 0.3, [False]),
        (99, 0.9, []),
        (1, 0.0, []),
    ],
)
def test_the_default_gate_asks_for_more_than_chance(
    pairs: int, low: float, verdicts: list[bool]
) -> None:
    """From 100 held-out pairs on the interval's lower end must be above 0.5; with fewer
    nothing is judged.
    """
    judged = judge(evaluation(pairs=pairs, accuracy_low=low), resolved_spec())
    assert [verdict.passed for verdict in judged] == verdicts


@pytest.mark.parametrize(
    ("metric", "operator", "threshold", "passed"),
    [
        ("RewardAccuracy", "AtLeast", 0.62, True),
        ("RewardAccuracy", "GreaterThan", 0.62, False),
        ("RewardMargin", "GreaterThan", 0.1, True),
        ("EvalLoss", "LessThan", 0.6, False),
        ("EvalLoss", "AtMost", 0.6, True),
        ("ChosenLogRatio", "GreaterThan", -1.0, False),
    ],
)
def test_a_gate_compares_its_metric_as_written(
    metric: str, operator: str, threshold: float, passed: bool
) -> None:
    """Explicit gates are judged however few pairs there are."""
    gate = {"metric": metric, "operator": operator, "threshold": threshold}
    spec = resolved_spec(evaluation={"gates": [gate]})
    (verdict,) = judge(evaluation(pairs=5), spec)
    assert verdict.passed is passed


VALUES = {
    "RewardAccuracy": 0.62,
    "RewardAccuracyLowerBound": 0.52,
    "RewardMargin": 0.4,
    "EvalLoss": 0.6,
    "ChosenLogRatio": -2.0,
}
PASSES = {
    # operator: below the threshold, at it, above it
    "GreaterThan": (False, False, True),
    "AtLeast": (False, True, True),
    "LessThan": (True, False, False),
    "AtMost": (True, True, False),
}


@pytest.mark.parametrize("metric", VALUES)
@pytest.mark.parametrize("operator", PASSES)
def test_every_operator_on_every_metric(metric: str, operator: str) -> None:
    """With the value below the threshold, exactly at it, and above it; the verdict says both."""
    value = VALUES[metric]
    found = []
    for threshold in (value + 0.01, value, value - 0.01):
        gate = {"metric": metric, "operator": operator, "threshold": threshold}
        (verdict,) = judge(evaluation(), resolved_spec(evaluation={"gates": [gate]}))
        assert (verdict.metric, verdict.operator) == (metric, operator)
        assert (verdict.value, verdict.threshold) == (value, threshold)
        found.append(verdict.passed)
    assert tuple(found) == PASSES[operator]


def test_the_default_gate_is_the_lower_end_of_the_interval_above_chance() -> None:
    """60 of 100 pairs pass and 59 do not: the 95 % Wilson interval of 59 reaches below 0.5."""
    for right, passed in ((60, True), (59, False)):
        low, high = wilson_interval(right, 100)
        judged = judge(
            evaluation(reward_accuracy=right / 100, accuracy_low=low, accuracy_high=high),
            resolved_spec(),
        )
        assert [verdict.passed for verdict in judged] == [passed]
        assert (judged[0].metric, judged[0].operator) == (
            "RewardAccuracyLowerBound",
            "GreaterThan",
        )


def test_one_failed_gate_withholds_the_adapter() -> None:
    """Unless the job publishes always, and then the verdicts stay on record."""
    gates = [
        {"metric": "RewardAccuracy", "operator": "GreaterThan", "threshold": 0.5},
        {"metric": "RewardMargin", "operator": "GreaterThan", "threshold": 9.0},
    ]
    strict = resolved_spec(evaluation={"gates": gates})
    always = resolved_spec(
        evaluation={"gates": gates},
        output={"uri": "file:///results", "publishPolicy": "Always"},
    )
    verdicts = judge(evaluation(), strict)
    assert [verdict.passed for verdict in verdicts] == [True, False]
    assert withheld(verdicts, strict)
    assert not withheld(verdicts, always)


def test_an_empty_list_of_gates_judges_nothing() -> None:
    """Somebody who writes no gates at all switches the default off."""
    assert judge(evaluation(), resolved_spec(evaluation={"gates": []})) == ()


def test_gates_without_held_out_pairs_are_refused_before_training() -> None:
    """A gate that can never be judged must not let an adapter through."""
    gate = {"metric": "RewardAccuracy", "operator": "GreaterThan", "threshold": 0.5}
    spec = resolved_spec(evaluation={"gates": [gate]})
    with pytest.raises(BadSpec, match=r"evaluation\.gates"):
        require_held_out(spec, 0)
    require_held_out(spec, 1)
    require_held_out(resolved_spec(), 0)


def test_nothing_is_judged_where_nothing_was_evaluated() -> None:
    """No pairs were held out."""
    assert judge(None, resolved_spec()) == ()


def test_a_figure_that_is_missing_is_an_error_of_ours() -> None:
    """A gate that could not be compared must not pass in silence."""
    gates = {"gates": [{"metric": "ChosenLogRatio", "operator": "AtLeast", "threshold": -1}]}
    with pytest.raises(ValueError, match="lacks ChosenLogRatio"):
        judge(evaluation(chosen_log_ratio=None), resolved_spec(evaluation=gates))


def test_what_was_missed_is_told_in_figures() -> None:
    """And nothing of what was passed."""
    gates = [
        {"metric": "RewardAccuracy", "operator": "GreaterThan", "threshold": 0.7},
        {"metric": "RewardMargin", "operator": "GreaterThan", "threshold": 0.1},
    ]
    verdicts = judge(evaluation(), resolved_spec(evaluation={"gates": gates}))
    assert missed(verdicts) == f"RewardAccuracy is 0.62, not {verdicts[0].operator} 0.7"
    assert missed(verdicts[1:]) == ""
