"""The first step after a resume must show the trained model. Pure.

TRL and PEFT have loaded an untrained adapter in the place of the trained one without a word;
from then on the run trains the wrong weights with the right schedule.
"""

from dataclasses import dataclass, replace
from typing import Final

from preftrain_trainer.guards.alarm import Alarm, figure
from preftrain_trainer.guards.identity import LOSS_TOLERANCE
from preftrain_trainer.guards.rules import Rule
from preftrain_trainer.guards.trend import SMOOTHING
from preftrain_trainer.progress.records import StepRecord

LEAST_REWARD: Final = 0.05
"""Rewards smaller than this before the stop are too small to be missed."""


@dataclass(frozen=True, slots=True)
class ContinuityState:
    """How large rewards have been of late, and whether a resume has just happened."""

    size: float | None = None
    """Exponential mean of the rewards' size; None before the first step."""
    resumed: bool = False


def after_resume(state: ContinuityState) -> ContinuityState:
    """The state of a process that goes on where another one ended."""
    return replace(state, resumed=True)


def resume_continuity(
    state: ContinuityState, record: StepRecord, rule: Rule
) -> tuple[ContinuityState, Alarm | None]:
    """Rewards and loss of an untrained model, right after a resume.

    The margin of a single batch may well be near 0 by chance, so it is the rewards of chosen
    and rejected answers that must be gone, both, and the loss must be the untrained model's.
    """
    size = _size(record)
    if size is None:
        return state, None
    before = state.size
    mean = size if before is None else before + SMOOTHING * (size - before)
    after = ContinuityState(mean)
    if not state.resumed or before is None or before < LEAST_REWARD:
        return after, None
    if size >= rule.threshold * before or not _loss_is_untrained(record, rule):
        return after, None
    return after, Alarm(
        f"the rewards of step {record.step}, the first after a resume, are {size:.4g} in size, "
        f"but were {before:.4g} before it: the trained adapter was not restored; delete the "
        "checkpoints, or raise runRevision to train from the first step"
    )


def _size(record: StepRecord) -> float | None:
    rewards = (figure(record.rewards_chosen), figure(record.rewards_rejected))
    present = [abs(reward) for reward in rewards if reward is not None]
    return sum(present) / len(present) if present else None


def _loss_is_untrained(record: StepRecord, rule: Rule) -> bool:
    loss, start = figure(record.loss), rule.run.start_loss
    if loss is None or start is None:
        return True
    return abs(loss - start) <= LOSS_TOLERANCE["BF16"] * max(1.0, abs(start))
