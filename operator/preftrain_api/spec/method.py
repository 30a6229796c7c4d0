"""How preferences become a loss: DPO, ORPO or KTO, each with its own settings.

Names follow the papers: DPO (arXiv 2305.18290), ORPO (2403.07691), KTO (2402.01306).
"""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from preftrain_api.wire import CelRule, WireModel

DpoLossType = Literal[
    "Sigmoid",
    "Hinge",
    "IPO",
    "ExoPair",
    "NCAPair",
    "Robust",
    "BCOPair",
    "SPPOHard",
    "AOT",
    "AOTUnpaired",
    "APOZero",
    "APODown",
    "Discopop",
    "SigmoidNorm",
    "SFT",
]
KtoLossType = Literal["KTO", "APOZeroUnpaired"]
MethodType = Literal["DPO", "ORPO", "KTO"]

Beta = Annotated[float, Field(gt=0, le=100)]
Weight = Annotated[float, Field(ge=0, le=1000)]


_SMOOTHING_MESSAGE = (
    "labelSmoothing must be less than 0.5; at 0.5 every label would be as likely wrong as right"
)


def _foreign_member(member: str, owner: str) -> str:
    return f"method.{member} belongs to type {owner}; remove it, or set method.type to {owner}"


class DpoLoss(WireModel):
    """One term of the loss."""

    type: DpoLossType
    """Which loss; docs/explanation/methods.md tells what each is. SFT is the negative
    log-likelihood of the chosen answers."""
    weight: Weight = 1
    """Factor of this term. Default: 1."""


class DpoSpec(WireModel):
    """Direct preference optimisation and its relatives."""

    # The bound itself is a rule, because API servers cut a fractional exclusive bound to an
    # integer before they compare it with a whole number, and would refuse 0.
    cel_rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule(
            "!has(self.labelSmoothing) || self.labelSmoothing < 0.5",
            _SMOOTHING_MESSAGE,
            ".labelSmoothing",
        ),
    )

    beta: Beta = 0.1
    """Strength of the pull towards the reference model; for IPO it is the paper's tau.
    Default: 0.1."""
    losses: Annotated[tuple[DpoLoss, ...], Field(min_length=1, max_length=8)] | None = None
    """Terms of the loss. Default: one Sigmoid of weight 1."""
    label_smoothing: Annotated[float, Field(ge=0, le=0.5)] = 0
    """Assumed share of swapped labels, for the losses Robust, AOT, AOTUnpaired and ExoPair; the
    last needs one above 0. Default: 0."""
    ld_alpha: Annotated[float, Field(ge=0, le=1)] | None = None
    """Length-desensitised DPO (arXiv 2409.06411): weight of the tokens beyond the shorter
    answer. Default: off."""
    discopop_tau: Annotated[float, Field(gt=0, le=100)] | None = None
    """Temperature of the loss Discopop (arXiv 2406.08414). Default: 0.05."""

    @field_validator("label_smoothing")
    @classmethod
    def _labels_say_something(cls, smoothing: float) -> float:
        if smoothing >= 0.5:
            raise ValueError(_SMOOTHING_MESSAGE)
        return smoothing


class OrpoSpec(WireModel):
    """Odds-ratio preference optimisation, without a reference model."""

    beta: Beta = 0.1
    """Weight of the odds-ratio term; the paper's lambda. Default: 0.1."""


class KtoSpec(WireModel):
    """Kahneman-Tversky optimisation, for answers that are labelled good or bad."""

    loss_type: KtoLossType = "KTO"
    """Which loss; docs/explanation/methods.md tells what each is. Default: KTO."""
    beta: Beta = 0.1
    """Strength of the pull towards the reference model. Default: 0.1."""
    desirable_weight: Weight | None = None
    """Weight of good answers. Default: such that good and bad answers weigh the same in all
    (paper, equation 8)."""
    undesirable_weight: Weight | None = None
    """Weight of bad answers. Default: as for good answers."""


class MethodSpec(WireModel):
    """The method and its settings."""

    cel_rules: ClassVar[tuple[CelRule, ...]] = tuple(
        CelRule(
            f"!has(self.{member}) || self.type == '{owner}'",
            _foreign_member(member, owner),
            f".{member}",
        )
        for member, owner in (("dpo", "DPO"), ("orpo", "ORPO"), ("kto", "KTO"))
    )

    type: MethodType
    """DPO and ORPO train on pairs, KTO on labelled answers, also on those of pairs."""
    dpo: DpoSpec | None = None
    """Settings of type DPO."""
    orpo: OrpoSpec | None = None
    """Settings of type ORPO."""
    kto: KtoSpec | None = None
    """Settings of type KTO."""

    @model_validator(mode="after")
    def _only_its_own_member(self) -> Self:
        for member, owner, value in (
            ("dpo", "DPO", self.dpo),
            ("orpo", "ORPO", self.orpo),
            ("kto", "KTO", self.kto),
        ):
            if value is not None and self.type != owner:
                raise ValueError(_foreign_member(member, owner))
        return self
