"""Gradients that are far larger than usual. Pure."""

from dataclasses import dataclass
from statistics import median
from typing import Final

from preftrain_trainer.guards.alarm import Alarm, figure
from preftrain_trainer.guards.rules import Rule
from preftrain_trainer.progress.records import StepRecord

STEPS_OF_MEDIAN: Final = 100
LEAST_STEPS: Final = 20
"""Steps before which there is no usual yet."""
STEPS_OF_SPIKES: Final = 50
SPIKES: Final = 5


@dataclass(frozen=True, slots=True)
class GradientState:
    """Gradient norms before clipping, and which steps were spikes; the oldest first."""

    norms: tuple[float, ...] = ()
    spikes: tuple[bool, ...] = ()


def gradient_spikes(
    state: GradientState, record: StepRecord, rule: Rule
) -> tuple[GradientState, Alarm | None]:
    """One spike is clipped and forgotten; many say that the training is unstable."""
    norm = figure(record.grad_norm)
    if norm is None:
        return state, None
    usual = median(state.norms) if len(state.norms) >= LEAST_STEPS else 0.0
    is_spike = usual > 0 and norm > rule.threshold * usual
    state = GradientState(
        (*state.norms, norm)[-STEPS_OF_MEDIAN:], (*state.spikes, is_spike)[-STEPS_OF_SPIKES:]
    )
    grave = usual > 0 and norm > rule.stop * usual
    spikes = sum(state.spikes)
    if not grave and spikes < SPIKES:
        return state, None
    return state, Alarm(
        f"the gradient norm is {norm:.3g} at a median of {usual:.3g}, and in {spikes} of the last "
        f"{len(state.spikes)} steps it was more than {rule.threshold:g} times the usual; lower "
        "training.learningRate, or raise training.warmupRatio",
        grave,
    )
