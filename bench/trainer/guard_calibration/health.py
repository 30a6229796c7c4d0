"""Whether a finished run has left a usable model, by criteria that no guard looks at. Pure.

Fixed on 2026-11-24, before any run was looked at:

- Likelihood. By how much the chosen answers of held-out pairs have become less likely, in nats
  a token against the base model. The public reruns of zephyr-7b-dpo-qlora (learning rate 5e-6,
  beta 0.01, one epoch), which are ordinary and usable, end with the log-probability of chosen
  answers at 1.8 to 2.4 times its start, around one nat a token lost. So up to 1 is healthy, and
  more than 2 (a perplexity 7.4 times the base's) is not a preference any more.
- Variety. distinct-2 of greedy answers to held-out prompts: different pairs of neighbouring
  tokens over all of them (Li et al., arXiv 1510.03055). Degenerate text repeats itself
  (Holtzman et al., arXiv 1904.09751). Three quarters of the base's are healthy, less than half
  is collapse.
- Length. Tokens of these answers against the shorter of the base's answers and the chosen ones,
  since a preference for short answers is a legitimate one. A quarter is healthy, less than a
  tenth is silence.

Healthy is a run that passes all three, collapsed one that fails one; what lies between is
unclear and counts for neither side.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from typing import Final, Literal

Verdict = Literal["Healthy", "Unclear", "Collapsed"]

HEALTHY_NATS: Final = 1.0
COLLAPSED_NATS: Final = 2.0
HEALTHY_VARIETY: Final = 0.75
COLLAPSED_VARIETY: Final = 0.5
HEALTHY_LENGTH: Final = 0.25
COLLAPSED_LENGTH: Final = 0.1


@dataclass(frozen=True, slots=True)
class Answers:
    """Greedy answers to the held-out prompts, in two figures."""

    distinct_2: float
    """Different pairs of neighbouring tokens over all of them, 0 to 1."""
    tokens: float
    """Mean length without the end mark."""


@dataclass(frozen=True, slots=True)
class Health:
    """A finished run beside its base model."""

    nats_lost: float
    """Fall of the held-out chosen answers' log-probability, in nats a token."""
    answers: Answers
    base_answers: Answers
    chosen_tokens: float
    """Mean length of the held-out chosen answers."""

    @property
    def variety(self) -> float:
        """distinct-2 as a share of the base's."""
        return self.answers.distinct_2 / max(self.base_answers.distinct_2, 1e-9)

    @property
    def length(self) -> float:
        """Length as a share of the shorter of the base's answers and the chosen ones."""
        return self.answers.tokens / max(min(self.base_answers.tokens, self.chosen_tokens), 1e-9)


def answers_of(answers: Sequence[Sequence[int]]) -> Answers:
    """The figures of answers in token ids, without end marks."""
    pairs = [pair for answer in answers for pair in pairwise(answer)]
    return Answers(
        distinct_2=len(set(pairs)) / len(pairs) if pairs else 0.0,
        tokens=sum(map(len, answers)) / max(len(answers), 1),
    )


def verdict_of(health: Health) -> Verdict:
    """Healthy, collapsed, or neither."""
    if (
        not isfinite(health.nats_lost)
        or health.nats_lost > COLLAPSED_NATS
        or health.variety < COLLAPSED_VARIETY
        or health.length < COLLAPSED_LENGTH
    ):
        return "Collapsed"
    if (
        health.nats_lost <= HEALTHY_NATS
        and health.variety >= HEALTHY_VARIETY
        and health.length >= HEALTHY_LENGTH
    ):
        return "Healthy"
    return "Unclear"
