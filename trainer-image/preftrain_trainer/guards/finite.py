"""A loss or a gradient that is no number. Pure."""

from dataclasses import dataclass
from math import isfinite

from preftrain_trainer.guards.alarm import Alarm
from preftrain_trainer.guards.rules import Rule
from preftrain_trainer.progress.records import StepRecord

_WAY_OUT = "lower training.learningRate or use another training.precision"


@dataclass(frozen=True, slots=True)
class FiniteState:
    """Steps in a row whose gradient norm was no number."""

    gradients: int = 0


def non_finite(
    state: FiniteState, record: StepRecord, rule: Rule
) -> tuple[FiniteState, Alarm | None]:
    """The loss at once; gradients only in a row, because scaled 16-bit training finds its scale
    by overflowing and leaves such steps out.
    """
    if record.loss is not None and not isfinite(record.loss):
        return state, Alarm(f"the loss of step {record.step} is {record.loss}; {_WAY_OUT}")
    if record.grad_norm is None or isfinite(record.grad_norm):
        return FiniteState(), None
    state = FiniteState(state.gradients + 1)
    if state.gradients < rule.threshold:
        return state, None
    return state, Alarm(
        f"the gradient norm of step {record.step} is {record.grad_norm}, as in {state.gradients} "
        f"steps in a row; {_WAY_OUT}"
    )
