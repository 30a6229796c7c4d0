"""The loss of a run: what training minimises, as a function of log-probabilities. Pure.

Three kinds, one a method. What they have in common is all that the stages know of a method's
loss.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from preftrain_trainer.methods.labels import LabelLoss, label_loss
from preftrain_trainer.methods.losses import Loss, Settings
from preftrain_trainer.methods.odds import orpo
from preftrain_trainer.methods.scores import LabelledScore, PairScore, Score

Scored = TypeVar("Scored", contravariant=True)
"""What a micro-batch consists of: pairs or labelled answers."""


class Objective(Protocol[Scored]):
    """The loss of a run."""

    @property
    def beta(self) -> float:
        """Factor between log-probabilities and rewards."""

    @property
    def tail_weight(self) -> float:
        """How much the tokens beyond the shorter answer of a pair count; ldAlpha, or 1."""

    @property
    def measured(self) -> bool:
        """Whether the loss before training depends on the data and has to be measured."""

    @property
    def relative(self) -> bool:
        """Whether rewards compare with the reference, so that they are 0 before training."""

    @property
    def reads_prompts(self) -> bool:
        """Whether the loss looks at the prompts' likelihood, too."""

    @property
    def mismatches(self) -> bool:
        """Whether the loss looks at mismatched answers, too."""

    def loss(self, batch: Sequence[Scored]) -> float:
        """The loss of a micro-batch."""

    def reward(self, answer: Score) -> float:
        """How much the objective wants an answer, as TRL logs it."""


@dataclass(frozen=True, slots=True)
class PairObjective:
    """DPO and its relatives: a weighted sum of pairwise losses."""

    terms: tuple[tuple[Loss, float], ...]
    """Losses with their weights."""
    settings: Settings
    tail_weight: float = 1.0
    relative = True
    reads_prompts = False
    mismatches = False

    @property
    def beta(self) -> float:
        """Factor between log-ratios and rewards."""
        return self.settings.beta

    @property
    def measured(self) -> bool:
        """Whether a term has no constant."""
        return any(weight and loss.start is None for loss, weight in self.terms)

    def loss(self, batch: Sequence[PairScore]) -> float:
        """The weighted sum."""
        return sum(weight * loss.of_batch(batch, self.settings) for loss, weight in self.terms)

    def reward(self, answer: Score) -> float:
        """DPO's implicit reward, beta times the log-ratio (arXiv 2305.18290, section 4)."""
        return self.beta * answer.ratio


@dataclass(frozen=True, slots=True)
class OddsObjective:
    """ORPO: likelihood and odds ratio, without a reference."""

    beta: float
    """The paper's lambda."""
    tail_weight = 1.0
    measured = True
    relative = False
    reads_prompts = True
    mismatches = False

    def loss(self, batch: Sequence[PairScore]) -> float:
        """Equation 6 of arXiv 2403.07691."""
        return orpo(batch, self.beta)

    def reward(self, answer: Score) -> float:
        """Beta times the mean log-probability of a token; compares answers, not models."""
        return self.beta * answer.policy.mean


@dataclass(frozen=True, slots=True)
class LabelObjective:
    """KTO and its relative: labelled answers."""

    kind: LabelLoss
    beta: float
    desirable_weight: float
    undesirable_weight: float
    tail_weight = 1.0
    measured = False
    relative = True
    reads_prompts = False

    @property
    def mismatches(self) -> bool:
        """Whether gains are compared with those of mismatched answers."""
        return self.kind.mismatches

    def loss(self, batch: Sequence[LabelledScore]) -> float:
        """Equation 7 of arXiv 2402.01306, or what replaces it."""
        return label_loss(
            batch, self.kind, self.beta, self.desirable_weight, self.undesirable_weight
        )

    def reward(self, answer: Score) -> float:
        """Beta times the log-ratio."""
        return self.beta * answer.ratio
