"""The first step of a fresh run must show the untrained model. Pure.

The check is exact: before the first update policy and reference are the same model, so the
loss has a known value, and any other value means that reference, tokenization or loss are not
what the run claims.
"""

from dataclasses import dataclass
from typing import Final

from preftrain_trainer.fit.layout import Precision
from preftrain_trainer.guards.alarm import Alarm
from preftrain_trainer.progress.records import StepRecord

LOSS_TOLERANCE: Final[dict[Precision, float]] = {"FP32": 1e-4, "BF16": 0.02, "FP16": 0.02}
"""Allowed deviation of the first loss, relative to the larger of 1 and the exact value. In 32
bits only the order of additions differs; in 16 bits whole answers are sums of rounded terms."""

REWARD_TOLERANCE: Final = 0.01
"""Allowed mean reward at the first step, in nats per answer token times beta."""


@dataclass(frozen=True, slots=True)
class StepOne:
    """What the first step must show."""

    loss: float
    """Exact loss of the first batch."""
    beta: float
    answer_tokens: float
    """Mean length of the first batch's chosen answers; 1 where rewards are means per token."""
    precision: Precision
    chosen_reward: float = 0.0
    """Mean reward of the chosen answers; 0 wherever rewards compare with the reference."""
    rejected_reward: float = 0.0
    """The same of the rejected answers."""


def step_one_identity(record: StepRecord, expected: StepOne, tolerance: float) -> Alarm | None:
    """A first step of a fresh run that does not show the untrained model.

    Args:
        record: of any step; only the first is judged.
        expected: what it must show.
        tolerance: allowed deviation of the loss in 16 bits, relative as LOSS_TOLERANCE; that in
            32 bits moves in proportion.
    """
    if record.step != 1 or record.loss is None:
        return None
    share = LOSS_TOLERANCE[expected.precision] * tolerance / LOSS_TOLERANCE["BF16"]
    allowed = share * max(1.0, abs(expected.loss))
    off = abs(record.loss - expected.loss)
    if not off <= allowed:
        return _differs(
            f"the loss of the first step is {record.loss:.6g}, but before any update it is "
            f"exactly {expected.loss:.6g} (allowed difference {allowed:.2g})",
        )
    bound = REWARD_TOLERANCE * expected.beta * expected.answer_tokens
    for name, reward, exact in (
        ("chosen", record.rewards_chosen, expected.chosen_reward),
        ("rejected", record.rewards_rejected, expected.rejected_reward),
    ):
        if reward is not None and not abs(reward - exact) <= bound:
            return _differs(
                f"the reward of the {name} answers is {reward:.4g} at the first step, but "
                f"before any update it is {exact:.4g} (allowed difference {bound:.2g})",
            )
    return None


def _differs(what: str) -> Alarm:
    return Alarm(f"{what}: reference model, tokenization or loss are not what they should be")
