"""A model that is being destroyed while loss, accuracy and margin look perfect. Pure.

The reward figures compare two answers; a model that has become noise still tells them apart.
So these guards look at what the model itself would write: at its top-1 accuracy on chosen
tokens, at its entropy, and at the likelihood of the chosen answers.
"""

from dataclasses import dataclass
from typing import Final

from preftrain_trainer.guards.alarm import Alarm, figure
from preftrain_trainer.guards.rules import Rule
from preftrain_trainer.guards.trend import UNSEEN, Trend
from preftrain_trainer.progress.records import StepRecord

STEPS_TO_STOP: Final = 10
"""Steps in a row for which token accuracy must stay low."""
WARN_NATS: Final = 0.5
STOP_NATS: Final = 1.0
"""Entropy must also rise by this much: a multiple of next to nothing is next to nothing."""
MODE_COLLAPSE: Final = 0.3
"""Share of its start below which entropy says that the model repeats itself."""
ACCURACY_LOST: Final = 0.1
ENTROPY_RATIO: Final = 2.0
"""Where the two other guards warn by default; Displacement asks them before it stops a run."""

_WAY_OUT: Final = "lower training.learningRate, raise beta, or add the SFT loss"


@dataclass(frozen=True, slots=True)
class AccuracyState:
    """Token accuracy so far."""

    trend: Trend = UNSEEN
    low: int = 0
    """Steps in a row below the point where a run is past saving."""


def token_accuracy(
    state: AccuracyState, record: StepRecord, rule: Rule
) -> tuple[AccuracyState, Alarm | None]:
    """The model would write fewer and fewer of the chosen tokens itself."""
    trend = state.trend.after(record.step, record.token_accuracy)
    lost = _share_lost(trend)
    if figure(record.token_accuracy) is None or lost is None:
        return AccuracyState(trend, state.low), None
    low = state.low + 1 if lost > rule.stop else 0
    state = AccuracyState(trend, low)
    if lost <= rule.threshold:
        return state, None
    return state, Alarm(
        f"the accuracy on chosen tokens has gone from {trend.base:.3f} to {trend.now:.3f}, which "
        f"is {lost:.0%} lost (threshold {rule.threshold:.0%}): the model forgets how "
        f"to write them; {_WAY_OUT}",
        grave=low >= STEPS_TO_STOP,
    )


@dataclass(frozen=True, slots=True)
class EntropyState:
    """Entropy so far, in nats."""

    trend: Trend = UNSEEN


def entropy(
    state: EntropyState, record: StepRecord, rule: Rule
) -> tuple[EntropyState, Alarm | None]:
    """The model's next token becomes noise, or becomes always the same."""
    trend = state.trend.after(record.step, record.entropy)
    state = EntropyState(trend)
    if figure(record.entropy) is None or trend.base is None or trend.now is None:
        return state, None
    course = f"the entropy of the model has gone from {trend.base:.3f} to {trend.now:.3f} nats"
    rise = trend.now - trend.base
    if trend.now > rule.threshold * trend.base and rise > WARN_NATS:
        grave = trend.now > rule.stop * trend.base and rise > STOP_NATS
        return state, Alarm(
            f"{course} (threshold {rule.threshold:g} times): what it writes becomes "
            f"noise; {_WAY_OUT}",
            grave,
        )
    if trend.now < MODE_COLLAPSE * trend.base:
        return state, Alarm(
            f"{course} (threshold {MODE_COLLAPSE:g} times): it begins to write the same "
            f"whatever is asked; {_WAY_OUT}",
            grave=False,
        )
    return state, None


@dataclass(frozen=True, slots=True)
class DisplacementState:
    """The chosen answers' likelihood so far, and what the two other guards look at."""

    policy: Trend = UNSEEN
    """Log-probability of the chosen answers, in nats."""
    reference: Trend = UNSEEN
    """That of the same answers under the reference."""
    accuracy: Trend = UNSEEN
    entropy: Trend = UNSEEN


def displacement(
    state: DisplacementState, record: StepRecord, rule: Rule
) -> tuple[DisplacementState, Alarm | None]:
    """The chosen answers themselves become unlikely (arXiv 2410.08847).

    Compared is with the reference on the very same answers: batches hold similar lengths, so
    the first ten say little about the length, and thereby the log-probability, of later ones.
    A fall alone is ordinary; only with TokenAccuracy or Entropy it is grave.
    """
    run = rule.run
    policy, reward = figure(record.log_probability_chosen), figure(record.rewards_chosen)
    state = DisplacementState(
        state.policy,
        state.reference,
        state.accuracy.after(record.step, record.token_accuracy),
        state.entropy.after(record.step, record.entropy),
    )
    if policy is None or reward is None:
        return state, None
    state = DisplacementState(
        state.policy.after(record.step, policy),
        state.reference.after(record.step, policy - reward / run.beta),
        state.accuracy,
        state.entropy,
    )
    now, reference = state.policy.now, state.reference.now
    if now is None or reference is None or reference >= 0 or run.chosen_tokens <= 0:
        return state, None
    lost, multiple = (reference - now) / run.chosen_tokens, now / reference
    if lost <= rule.threshold and multiple <= 1 + rule.threshold:
        return state, None
    grave = (lost > rule.stop or multiple > 2 + rule.stop) and _is_collapsing(state)
    return state, Alarm(
        f"the chosen answers have lost {lost:.2f} nats a token (log-probability {now:.0f}, the "
        f"reference's is {reference:.0f}; threshold {rule.threshold:g} nats, or "
        f"{1 + rule.threshold:g} times the reference's): the model moves away from what it "
        f"should learn; {_WAY_OUT}",
        grave,
    )


def _is_collapsing(state: DisplacementState) -> bool:
    lost = _share_lost(state.accuracy)
    if lost is not None and lost > ACCURACY_LOST:
        return True
    base, now = state.entropy.base, state.entropy.now
    if base is None or now is None:
        return False
    return now > ENTROPY_RATIO * base and now - base > WARN_NATS


def _share_lost(accuracy: Trend) -> float | None:
    base, now = accuracy.base, accuracy.now
    return None if base is None or now is None or base <= 0 else 1 - now / base
