"""A run in which nothing is learnt, because there is no gradient. Pure."""

from dataclasses import dataclass
from typing import Final

from preftrain_trainer.guards.alarm import Alarm, figure
from preftrain_trainer.guards.rules import Rule
from preftrain_trainer.progress.records import StepRecord

STEPS_AFTER_WARMUP: Final = 20
STEPS_IN_A_ROW: Final = 10
NO_MARGIN: Final = 1e-3
START_LOSS_SHARE: Final = 0.005
"""A loss within this share of the untrained model's is still that."""


@dataclass(frozen=True, slots=True)
class SignalState:
    """Steps in a row without a gradient."""

    silent: int = 0


def no_signal(
    state: SignalState, record: StepRecord, rule: Rule
) -> tuple[SignalState, Alarm | None]:
    """No gradient, no margin and the loss of the untrained model, well after the warm-up."""
    norm, margin = figure(record.grad_norm), figure(record.reward_margin)
    if norm is None or margin is None:
        return state, None
    early = record.step <= rule.run.warmup_steps + STEPS_AFTER_WARMUP
    if early or norm >= rule.threshold or abs(margin) >= NO_MARGIN or _has_moved(record, rule):
        return SignalState(), None
    state = SignalState(state.silent + 1)
    if state.silent < STEPS_IN_A_ROW:
        return state, None
    return state, Alarm(
        f"for {state.silent} steps the gradient norm was below {rule.threshold:g} (now {norm:.2g}) "
        f"with a margin of {margin:.2g}: the answers of a pair are the same to the model; raise "
        "training.maxLength or look at the data"
    )


def _has_moved(record: StepRecord, rule: Rule) -> bool:
    loss, start = figure(record.loss), rule.run.start_loss
    if loss is None or start is None:
        return False
    return abs(loss - start) > START_LOSS_SHARE * abs(start)
