"""What losses are computed from: log-probabilities of answers, in nats. Pure data."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Likelihood:
    """Log-probability of one answer after its prompt, under one model."""

    total: float
    """Sum over the answer's tokens."""
    tokens: int
    """Tokens of the answer."""
    counted: float
    """The sum as preference losses count it: equal to `total`, or with ldAlpha less of the
    tokens beyond the shorter answer of the pair (LD-DPO, arXiv 2409.06411)."""
    prompt: float = 0.0
    """Sum over the prompt's tokens after the first, where it was asked for."""
    prompt_tokens: int = 0

    @property
    def mean(self) -> float:
        """Log-probability per token of the answer."""
        return self.total / self.tokens


@dataclass(frozen=True, slots=True)
class Score:
    """One answer under the policy, that is with the adapter, and under the reference."""

    policy: Likelihood
    reference: Likelihood

    @property
    def ratio(self) -> float:
        """Log of policy over reference; beta times this is DPO's implicit reward (arXiv
        2305.18290, section 4).
        """
        return self.policy.counted - self.reference.counted

    @property
    def mean_ratio(self) -> float:
        """The same per token."""
        return self.ratio / self.policy.tokens


@dataclass(frozen=True, slots=True)
class PairScore:
    """The two answers of a pair."""

    chosen: Score
    rejected: Score

    @property
    def delta(self) -> float:
        """How much more the chosen answer gained than the rejected one."""
        return self.chosen.ratio - self.rejected.ratio


@dataclass(frozen=True, slots=True)
class LabelledScore:
    """An answer with its label, and the answer that stands in for a random one."""

    answer: Score
    desirable: bool
    mismatched: Score
    """The same prompt with the previous answer of the micro-batch."""


def untrained(likelihood: Likelihood) -> Score:
    """An answer before the first update: policy and reference are one model."""
    return Score(likelihood, likelihood)


UNKNOWN: Final = untrained(Likelihood(total=0.0, tokens=1, counted=0.0))
"""An untrained answer whose likelihood does not matter."""
