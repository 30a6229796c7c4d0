"""Which evaluated adapter is the best, and when training ends early."""

from itertools import accumulate
from math import nan

import pytest

from preftrain_api.report import Evaluation
from preftrain_api.spec.quality import EarlyStopping, EvalMetric
from preftrain_trainer.checkpoint.state import Selection
from preftrain_trainer.training.selection import after_evaluation, told


def evaluation(loss: float = 0.5, accuracy: float = 0.5) -> Evaluation:
    return Evaluation.model_construct(
        pairs=10,
        reward_accuracy=accuracy,
        accuracy_low=accuracy - 0.1,
        accuracy_high=accuracy + 0.1,
        reward_margin=accuracy,
        loss=loss,
        chosen_log_ratio=accuracy,
    )


def course(losses: list[float], rule: EarlyStopping | None = None) -> list[Selection]:
    """The selections after evaluations of these losses at steps 1, 2, and so on."""
    numbered = list(enumerate(losses, 1))
    return list(
        accumulate(
            numbered,
            lambda before, item: after_evaluation(before, item[0], evaluation(loss=item[1]), rule),
            initial=Selection(),
        )
    )[1:]


def test_the_lowest_loss_is_the_best() -> None:
    """Later equal ones change nothing."""
    last = course([0.7, 0.5, 0.6, 0.5])[-1]
    assert (last.best_step, last.best_value, last.evaluated_step) == (2, 0.5, 4)
    assert not last.ended


@pytest.mark.parametrize(
    "metric", ["RewardAccuracy", "RewardAccuracyLowerBound", "RewardMargin", "ChosenLogRatio"]
)
def test_other_figures_are_better_when_larger(metric: EvalMetric) -> None:
    """And are stored as they are."""
    rule = EarlyStopping(metric=metric)
    first = after_evaluation(Selection(), 1, evaluation(accuracy=0.6), rule)
    second = after_evaluation(first, 2, evaluation(accuracy=0.8), rule)
    third = after_evaluation(second, 3, evaluation(accuracy=0.7), rule)
    assert (third.best_step, third.without_improvement) == (2, 1)
    assert third.best_value == pytest.approx(0.7 if metric == "RewardAccuracyLowerBound" else 0.8)


def test_patience_runs_out() -> None:
    """After as many evaluations in a row without improvement, not one earlier."""
    ended = [s.ended for s in course([0.7, 0.6, 0.65, 0.6, 0.61], EarlyStopping(patience=3))]
    assert ended == [False, False, False, False, True]


def test_small_improvements_make_the_best_but_restore_no_patience() -> None:
    """MinDelta is what an improvement must exceed."""
    last = course([0.70, 0.69, 0.68], EarlyStopping(patience=2, min_delta=0.05))[-1]
    assert (last.best_step, last.ended) == (3, True)


def test_a_figure_that_is_no_number_is_no_improvement() -> None:
    """Neither at first nor later."""
    assert course([nan])[-1].best_step is None
    assert course([nan, 0.6, nan])[-1].best_step == 2


def test_people_are_told() -> None:
    """Which adapter it is, and why training ended."""
    selection = course([0.5, 0.6, 0.7], EarlyStopping(patience=2))[-1]
    early, best = told(selection, 3, 10, EarlyStopping(patience=2))
    assert "ended after step 3 of 10, because EvalLoss" in early.message
    assert "the adapter of step 1 is the result" in best.message
    assert told(course([0.7, 0.6])[-1], 2, 2, None) == ()
