"""KTO's losses and weights, written from the papers in 64 bits. Pure.

KTO is arXiv 2402.01306, APO arXiv 2408.06266.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final

from preftrain_api.report import Finding
from preftrain_api.spec import KtoSpec, MethodSpec
from preftrain_api.spec.method import KtoLossType
from preftrain_trainer.data.pairs import Example, label_counts
from preftrain_trainer.errors import DataRefused
from preftrain_trainer.methods.losses import sigma
from preftrain_trainer.methods.scores import LabelledScore

MOST_WEIGHT_RATIO: Final = 4 / 3
"""Equation 8 of the KTO paper: the weighted count of the desirable answers over that of the
undesirable ones should lie between 1 and 4/3."""
_ROUNDING: Final = 1e-6


@dataclass(frozen=True, slots=True)
class LabelLoss:
    """A loss of labelled answers."""

    trl_name: str
    mismatches: bool
    """Whether the mean gain of mismatched answers is the point that gains are compared with."""
    what: str
    source: str


LABEL_LOSSES: Final[Mapping[KtoLossType, LabelLoss]] = {
    "KTO": LabelLoss(
        "kto",
        mismatches=True,
        what="gain over the mean gain of mismatched answers",
        source="arXiv 2402.01306, equations 6 and 7",
    ),
    "APOZeroUnpaired": LabelLoss(
        "apo_zero_unpaired",
        mismatches=False,
        what="raises desirable, lowers undesirable answers",
        source="arXiv 2408.06266, equation 7, for labelled answers",
    ),
}


def label_loss(
    answers: Sequence[LabelledScore], loss: LabelLoss, beta: float, good: float, bad: float
) -> float:
    """Mean over a micro-batch of weight * (1 - value of the answer).

    The value is sigma(beta (ratio - z)) of a desirable answer and sigma(beta (z - ratio)) of
    another; z is the mean ratio of the mismatched answers, at least 0, or 0.

    Args:
        answers: a micro-batch.
        loss: which of them.
        beta: strength of the pull towards the reference.
        good: weight of desirable answers.
        bad: weight of undesirable answers.
    """
    z = max(0.0, fmean(each.mismatched.ratio for each in answers)) if loss.mismatches else 0.0
    return fmean(
        good * sigma(-beta * (each.answer.ratio - z))
        if each.desirable
        else bad * sigma(-beta * (z - each.answer.ratio))
        for each in answers
    )


def settled(method: MethodSpec, train: Sequence[Example]) -> MethodSpec:
    """`method` with KTO's open weights written out for these training examples; other methods
    as they are.

    Raises:
        DataRefused: all answers carry the same label.
    """
    return weighted(method, *label_counts(train)) if method.type == "KTO" else method


def weighted(method: MethodSpec, good: int, bad: int) -> MethodSpec:
    """KTO with its weights for these counts of desirable and undesirable answers.

    With both weights open the commoner label weighs 1 and the rarer one as much more as it is
    rarer, so that both sides weigh the same: the lower end of the interval of equation 8. With
    one given, the other follows from it.

    Raises:
        DataRefused: all answers carry the same label.
    """
    if good == 0 or bad == 0:
        raise DataRefused(
            f"all {good + bad} answers are labelled {'good' if good else 'bad'}, but KTO learns "
            "from the difference; add answers of the other label"
        )
    kto = method.kto or KtoSpec()
    asked_good, asked_bad = kto.desirable_weight, kto.undesirable_weight
    if asked_good is None and asked_bad is None:
        weights = max(1.0, bad / good), max(1.0, good / bad)
    elif asked_good is None:
        weights = (asked_bad or 0.0) * bad / good, asked_bad or 0.0
    else:
        weights = asked_good, asked_good * good / bad if asked_bad is None else asked_bad
    chosen = {"desirable_weight": weights[0], "undesirable_weight": weights[1]}
    return method.model_copy(update={"kto": kto.model_copy(update=chosen)})


def shown(method: MethodSpec) -> dict[str, str]:
    """The settled weights, for people to read."""
    if method.type != "KTO" or method.kto is None:
        return {}
    return {
        "desirableWeight": f"{method.kto.desirable_weight:.6g}",
        "undesirableWeight": f"{method.kto.undesirable_weight:.6g}",
    }


def weight_finding(method: MethodSpec, train: Sequence[Example]) -> Finding | None:
    """A warning when KTO's weights, as `settled` left them, lie outside of equation 8."""
    kto = method.kto
    if method.type != "KTO" or kto is None:
        return None
    good, bad = label_counts(train)
    heavy, light = (kto.desirable_weight or 0.0) * good, (kto.undesirable_weight or 0.0) * bad
    if light and 1 - _ROUNDING <= heavy / light <= MOST_WEIGHT_RATIO + _ROUNDING:
        return None
    low = bad / good
    return Finding(
        name="ktoWeights",
        severity="Warning",
        message=(
            f"method.kto: the {good} desirable answers weigh {heavy:.4g} together and the {bad} "
            f"undesirable ones {light:.4g}, where the first should be 1 to 4/3 times the second; "
            f"use desirableWeight {low:.3g} to {low * MOST_WEIGHT_RATIO:.3g} with "
            "undesirableWeight 1, or leave both out"
        ),
    )
