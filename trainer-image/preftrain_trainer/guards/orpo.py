"""What only ORPO's records show: its two terms (arXiv 2403.07691, equations 6 and 7). Pure."""

from dataclasses import dataclass
from typing import Final

from preftrain_trainer.guards.alarm import Alarm, figure
from preftrain_trainer.guards.rules import Rule
from preftrain_trainer.guards.trend import UNSEEN, Trend
from preftrain_trainer.progress.records import StepRecord

EARLY_SHARE: Final = 0.3
"""Share of the steps before which unchanged odds say nothing yet."""


@dataclass(frozen=True, slots=True)
class LikelihoodState:
    """The likelihood loss with its lowest mean, and the log odds."""

    loss: Trend = UNSEEN
    lowest: float | None = None
    odds: Trend = UNSEEN


def likelihood_loss(
    state: LikelihoodState, record: StepRecord, rule: Rule
) -> tuple[LikelihoodState, Alarm | None]:
    """The model unlearns to write good answers, or does not learn to tell them apart."""
    loss = state.loss.after(record.step, record.negative_log_likelihood)
    now, lowest = loss.now, state.lowest
    if now is not None:
        lowest = now if lowest is None else min(lowest, now)
    state = LikelihoodState(loss, lowest, state.odds.after(record.step, record.log_odds_ratio))
    if (
        figure(record.negative_log_likelihood) is not None
        and now is not None
        and lowest
        and lowest > 0
    ):
        rise = now / lowest - 1
        if rise > rule.threshold:
            return state, Alarm(
                f"the likelihood loss is {now:.3f} after a lowest of {lowest:.3f}, a rise by "
                f"{rise:.0%} (threshold {rule.threshold:.0%}): the model forgets how to write "
                "good answers; lower training.learningRate or method.orpo.beta",
                grave=rise > rule.stop,
            )
    odds, base = state.odds.now, state.odds.base
    if (
        figure(record.log_odds_ratio) is not None
        and odds is not None
        and base is not None
        and odds <= base
        and record.step > EARLY_SHARE * rule.run.total_steps
    ):
        return state, Alarm(
            f"the log odds are {odds:.3f} after {EARLY_SHARE:.0%} of the steps and were "
            f"{base:.3f} at the start: good answers do not gain on bad ones; raise "
            "method.orpo.beta or training.learningRate",
            grave=False,
        )
    return state, None
