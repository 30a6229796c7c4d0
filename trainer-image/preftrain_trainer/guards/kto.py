"""What only KTO's records show. Pure.

KTO compares each answer with the KL of the batch, and good answers with bad ones only by way
of it (arXiv 2402.01306, equations 7 and 8).
"""

from dataclasses import dataclass
from typing import Final

from preftrain_trainer.guards.alarm import Alarm, figure
from preftrain_trainer.guards.rules import Rule
from preftrain_trainer.guards.trend import UNSEEN, Trend
from preftrain_trainer.progress.records import StepRecord

LEAST_STEPS: Final = 20
KL_A_TOKEN: Final = 0.3
"""Nats a token between policy and reference beyond which KTO's loss is flat for most answers."""
EARLY_SHARE: Final = 0.3
"""Share of the steps before which a missing margin says nothing yet."""


@dataclass(frozen=True, slots=True)
class LabelState:
    """Steps seen, steps with one label only, and the course of KL and margin."""

    steps: int = 0
    one_sided: int = 0
    kl: Trend = UNSEEN
    margin: Trend = UNSEEN


def label_imbalance(
    state: LabelState, record: StepRecord, rule: Rule
) -> tuple[LabelState, Alarm | None]:
    """Steps without one of the labels, and what follows from such data."""
    chosen, rejected = record.rewards_chosen, record.rewards_rejected
    if chosen is None and rejected is None:
        return state, None
    one_sided = chosen is None or rejected is None
    state = LabelState(
        state.steps + 1,
        state.one_sided + one_sided,
        state.kl.after(record.step, record.kl),
        state.margin.after(record.step, record.reward_margin),
    )
    share = state.one_sided / state.steps
    if state.steps >= LEAST_STEPS and share > rule.threshold:
        return state, Alarm(
            f"{share:.0%} of the steps held answers of one label only (threshold "
            f"{rule.threshold:.0%}); raise "
            "training.microBatchSize, or balance the labels"
        )
    kl, tokens = state.kl.now, rule.run.chosen_tokens
    if kl is not None and tokens > 0 and kl / tokens > KL_A_TOKEN:
        return state, Alarm(
            f"the KL to the reference is {kl / tokens:.2f} nats a token (threshold "
            f"{KL_A_TOKEN:g}): most answers give no gradient any more; lower "
            "training.learningRate, or raise method.kto.beta",
            grave=False,
        )
    margin = figure(state.margin.now)
    if margin is not None and margin <= 0 and record.step > EARLY_SHARE * rule.run.total_steps:
        return state, Alarm(
            f"the margin between good and bad answers is {margin:.3g} after "
            f"{EARLY_SHARE:.0%} of the steps; check the labels and their weights in method.kto",
            grave=False,
        )
    return state, None
