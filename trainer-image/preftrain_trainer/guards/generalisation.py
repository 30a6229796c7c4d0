"""What the held-out pairs say about the training. Pure."""

from dataclasses import dataclass, replace
from typing import Final

from preftrain_api.report import Evaluation
from preftrain_trainer.guards.alarm import Alarm, figure
from preftrain_trainer.guards.rules import Rule
from preftrain_trainer.guards.trend import UNSEEN, Trend
from preftrain_trainer.progress.records import StepRecord

EVALUATIONS_TO_STOP: Final = 2
EVALUATIONS_OF_LOSS: Final = 3
LEAST_RISE: Final = 0.02
RISE_SHARE: Final = 0.05
"""A held-out loss counts as risen by 0.02 or 5 % of the best one, whichever is more."""
CHANCE: Final = 0.5
EARLY_SHARE: Final = 0.3
"""Share of the steps before which an accuracy below chance says nothing yet."""


@dataclass(frozen=True, slots=True)
class OverfitState:
    """Training accuracy so far, and the evaluations."""

    accuracy: Trend = UNSEEN
    gaps: int = 0
    """Evaluations in a row with a gap past saving."""
    best_loss: float | None = None
    rises: int = 0
    """Evaluations in a row with a risen loss."""


def training_accuracy(
    state: OverfitState, record: StepRecord, _rule: Rule
) -> tuple[OverfitState, Alarm | None]:
    """Follow the training accuracy; only evaluations make this guard speak."""
    accuracy = state.accuracy.after(record.step, record.reward_accuracy)
    return replace(state, accuracy=accuracy), None


def overfit(
    state: OverfitState, _step: int, evaluation: Evaluation, rule: Rule
) -> tuple[OverfitState, Alarm | None]:
    """The model learns the training pairs and nothing that holds for others."""
    state, risen = _loss_risen(state, evaluation)
    trained = state.accuracy.now if rule.run.method == "DPO" else None
    held_out = figure(evaluation.reward_accuracy)
    if trained is None or held_out is None:
        return replace(state, gaps=0), risen
    gap = trained - held_out
    is_certain = trained > evaluation.accuracy_high
    gaps = state.gaps + 1 if gap > rule.stop and is_certain else 0
    state = replace(state, gaps=gaps)
    if gap <= rule.threshold or not is_certain:
        return state, risen
    return state, Alarm(
        f"the accuracy is {trained:.3f} on training pairs, but {held_out:.3f} on held-out ones "
        f"(95 % interval up to {evaluation.accuracy_high:.3f}): the model learns the pairs by "
        "heart; train for fewer epochs, or use more data",
        grave=gaps >= EVALUATIONS_TO_STOP,
    )


def _loss_risen(state: OverfitState, evaluation: Evaluation) -> tuple[OverfitState, Alarm | None]:
    loss, best = figure(evaluation.loss), state.best_loss
    if loss is None:
        return state, None
    if best is None or loss < best:
        return replace(state, best_loss=loss, rises=0), None
    rises = state.rises + 1 if loss > best + max(LEAST_RISE, RISE_SHARE * abs(best)) else 0
    state = replace(state, rises=rises)
    if rises < EVALUATIONS_OF_LOSS:
        return state, None
    return state, Alarm(
        f"the held-out loss is {loss:.4g} after a best of {best:.4g}, in {rises} evaluations in a "
        "row; train for fewer steps, or set evaluation.earlyStopping",
        grave=False,
    )


@dataclass(frozen=True, slots=True)
class InvertedState:
    """Evaluations in a row below chance."""

    below: int = 0


def inverted_labels(
    state: InvertedState, step: int, evaluation: Evaluation, rule: Rule
) -> tuple[InvertedState, Alarm | None]:
    """The held-out pairs prefer what the training pairs reject.

    Ties count as wrong, so accuracy alone would accuse a run that has learnt nothing yet: the
    margin must be negative too, and the interval must lie below chance.
    """
    if step <= EARLY_SHARE * rule.run.total_steps:
        return state, None
    is_below = (
        evaluation.reward_accuracy < rule.threshold
        and evaluation.accuracy_high < CHANCE
        and evaluation.reward_margin < 0
    )
    state = InvertedState(state.below + 1 if is_below else 0)
    if state.below < EVALUATIONS_TO_STOP:
        return state, None
    return state, Alarm(
        f"the held-out accuracy is {evaluation.reward_accuracy:.3f} (95 % interval up to "
        f"{evaluation.accuracy_high:.3f}), below chance in {state.below} evaluations in a row: "
        "training and held-out labels contradict each other; look for swapped columns in "
        "dataset.columns and for contradictory pairs"
    )
