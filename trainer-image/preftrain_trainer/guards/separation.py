"""Answers that are told apart too well: nothing is left to learn, or it was too easy. Pure."""

from dataclasses import dataclass
from typing import Final

from preftrain_api.spec.method import DpoLossType
from preftrain_trainer.guards.alarm import Alarm, figure
from preftrain_trainer.guards.rules import Rule, RunFacts
from preftrain_trainer.guards.trend import UNSEEN, Trend
from preftrain_trainer.progress.records import StepRecord

SATURATING: Final[frozenset[DpoLossType]] = frozenset({"Sigmoid", "Robust", "Hinge", "SFT"})
"""Losses whose gradient fades with the reward margin; others aim at a margin of their own, or
do not measure it in sums of log-probabilities."""
FULL_ACCURACY: Final = 0.98
STEPS_IN_A_ROW: Final = 50
LEAST_LOSS: Final = 0.05
"""Sigmoid loss below which pairs are trivially separable (gradients-ai/G.O.D, PR 1344)."""
EARLY_EPOCHS: Final = 0.5


@dataclass(frozen=True, slots=True)
class SeparationState:
    """Margin, accuracy and loss so far."""

    margin: Trend = UNSEEN
    accuracy: Trend = UNSEEN
    loss: Trend = UNSEEN
    perfect: int = 0
    """Steps in a row with an accuracy at the threshold or above."""


def is_saturating(run: RunFacts) -> bool:
    """Whether a large margin leaves this run's loss without a gradient."""
    return bool(run.losses - {"SFT"}) and run.losses <= SATURATING


def saturation(
    state: SeparationState, record: StepRecord, rule: Rule
) -> tuple[SeparationState, Alarm | None]:
    """The margin is so large that the gradient is gone, or so large that the model must be."""
    state = SeparationState(
        margin=state.margin.after(record.step, record.reward_margin),
        accuracy=state.accuracy.after(record.step, record.reward_accuracy),
    )
    margin, accuracy = state.margin.now, state.accuracy.now
    if margin is None or accuracy is None:
        return state, None
    grave = margin > rule.stop
    if not grave and not (margin > rule.threshold and accuracy >= FULL_ACCURACY):
        return state, None
    return state, Alarm(
        f"the reward margin is {margin:.1f} with a training accuracy of {accuracy:.3f}: the loss "
        "has hardly a gradient left; train for fewer steps, or lower training.learningRate",
        grave,
    )


def trivially_separable(
    state: SeparationState, record: StepRecord, rule: Rule
) -> tuple[SeparationState, Alarm | None]:
    """Pairs that are told apart before half of them were seen."""
    accuracy = state.accuracy.after(record.step, record.reward_accuracy)
    now = accuracy.now
    is_perfect = figure(record.reward_accuracy) is not None and now is not None
    perfect = state.perfect + 1 if is_perfect and (now or 0.0) >= rule.threshold else 0
    state = SeparationState(
        accuracy=accuracy, loss=state.loss.after(record.step, record.loss), perfect=perfect
    )
    if record.step > EARLY_EPOCHS * rule.run.steps_per_epoch:
        return state, None
    loss = state.loss.now if rule.run.losses == {"Sigmoid"} else None
    if perfect < STEPS_IN_A_ROW and (loss is None or loss >= LEAST_LOSS):
        return state, None
    what = (
        f"for {perfect} steps the training accuracy was {rule.threshold:g} or more"
        if perfect >= STEPS_IN_A_ROW
        else f"the loss is {loss:.3f}"
    )
    return state, Alarm(
        f"{what} before half of the pairs were seen: chosen and rejected answers differ in "
        "something simple, such as style, length or source; look at the data"
    )
