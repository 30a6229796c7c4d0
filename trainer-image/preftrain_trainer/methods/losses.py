"""The losses of preference pairs, each written from its paper in 64 bits. Pure.

A table: the run's own checks, the evaluation, the documentation and the parity tests read it,
and TRL computes the same in training. Notation: a ratio is log policy(y) - log reference(y) in
nats, delta the chosen answer's ratio minus the rejected one's, sigma the logistic function.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import exp, inf, log, log1p
from statistics import fmean
from typing import Final, Literal

from preftrain_api.spec.method import DpoLossType
from preftrain_trainer.methods.scores import PairScore

Coupling = Literal["None", "Tokens", "Pairs"]
"""What a pair's loss depends on besides the pair: nothing; the tokens of its micro-batch, over
which a mean is taken; or the other pairs of its micro-batch, with which it is compared. With
"Pairs" the size of the micro-batch is part of the loss."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The numbers that losses take."""

    beta: float
    label_smoothing: float = 0.0
    discopop_tau: float = 0.05


@dataclass(frozen=True, slots=True)
class Loss:
    """One loss."""

    trl_name: str
    of_batch: Callable[[Sequence[PairScore], Settings], float]
    """Its value for the pairs of a micro-batch."""
    what: str
    """What it is, in a few words."""
    source: str
    """Where the formula comes from."""
    start: str | None
    """Its value before the first update, as a formula; None where it depends on the data."""
    coupling: Coupling = "None"
    smoothed: bool = False
    """Whether it reads the label smoothing."""


def _each(
    of_pair: Callable[[PairScore, Settings], float],
) -> Callable[[Sequence[PairScore], Settings], float]:
    """The mean over the pairs of a micro-batch."""

    def of_batch(pairs: Sequence[PairScore], settings: Settings) -> float:
        return fmean(of_pair(pair, settings) for pair in pairs)

    return of_batch


def _sigmoid(pair: PairScore, s: Settings) -> float:
    """-log sigma(beta delta)."""
    return _cost(s.beta * pair.delta)


def _hinge(pair: PairScore, s: Settings) -> float:
    """max(0, 1 - beta delta)."""
    return max(0.0, 1 - s.beta * pair.delta)


def _ipo(pair: PairScore, s: Settings) -> float:
    """(delta per token - 1 / (2 beta))^2; the paper's tau is beta, and its ratios are divided
    by the answers' lengths, as its authors do.
    """
    return float((pair.chosen.mean_ratio - pair.rejected.mean_ratio - 1 / (2 * s.beta)) ** 2)


def _exo_pair(pair: PairScore, s: Settings) -> float:
    """KL(p || q) of p = softmax(beta ratios) and q = (1 - eps, eps), for two answers."""
    x = s.beta * pair.delta
    chosen = -_cost(x) - log1p(-s.label_smoothing)
    rejected = -_cost(-x) - log(s.label_smoothing)
    return sigma(x) * chosen + sigma(-x) * rejected


def _nca_pair(pair: PairScore, s: Settings) -> float:
    """-log sigma(r_c) - 1/2 log sigma(-r_c) - 1/2 log sigma(-r_r), with r = beta ratio."""
    chosen, rejected = s.beta * pair.chosen.ratio, s.beta * pair.rejected.ratio
    return _cost(chosen) + 0.5 * _cost(-chosen) + 0.5 * _cost(-rejected)


def _robust(pair: PairScore, s: Settings) -> float:
    """((1 - eps) L(delta) - eps L(-delta)) / (1 - 2 eps), with L the sigmoid loss."""
    x, eps = s.beta * pair.delta, s.label_smoothing
    return ((1 - eps) * _cost(x) - eps * _cost(-x)) / (1 - 2 * eps)


def _bco_pair(pair: PairScore, s: Settings) -> float:
    """-log sigma(r_c) - log sigma(-r_r), with r = beta ratio; without the paper's reward shift."""
    return _cost(s.beta * pair.chosen.ratio) + _cost(-s.beta * pair.rejected.ratio)


def _sppo_hard(pair: PairScore, s: Settings) -> float:
    """(ratio_c - 1/(2 beta))^2 + (ratio_r + 1/(2 beta))^2; the paper's eta is 1/beta."""
    half = 0.5 / s.beta
    return float((pair.chosen.ratio - half) ** 2 + (pair.rejected.ratio + half) ** 2)


def _aot(pairs: Sequence[PairScore], s: Settings) -> float:
    """Smoothed sigmoid loss of the sorted policy margins against the sorted reference margins."""
    policy = sorted(pair.chosen.policy.counted - pair.rejected.policy.counted for pair in pairs)
    reference = sorted(
        pair.chosen.reference.counted - pair.rejected.reference.counted for pair in pairs
    )
    return fmean(_smoothed(s, a - b) for a, b in zip(policy, reference, strict=True))


def _aot_unpaired(pairs: Sequence[PairScore], s: Settings) -> float:
    """Smoothed sigmoid loss of the sorted chosen ratios against the sorted rejected ratios."""
    chosen = sorted(pair.chosen.ratio for pair in pairs)
    rejected = sorted(pair.rejected.ratio for pair in pairs)
    return fmean(_smoothed(s, a - b) for a, b in zip(chosen, rejected, strict=True))


def _apo_zero(pair: PairScore, s: Settings) -> float:
    """1 - sigma(r_c) + sigma(r_r), with r = beta ratio."""
    return sigma(-s.beta * pair.chosen.ratio) + sigma(s.beta * pair.rejected.ratio)


def _apo_down(pair: PairScore, s: Settings) -> float:
    """sigma(r_c) + 1 - sigma(r_c - r_r), with r = beta ratio."""
    return sigma(s.beta * pair.chosen.ratio) + sigma(-s.beta * pair.delta)


def _discopop(pair: PairScore, s: Settings) -> float:
    """(1 - m) L(x) + m exp(-x) with x = beta delta, m = sigma(x / tau), L the sigmoid loss."""
    x = s.beta * pair.delta
    mix = x / s.discopop_tau
    return sigma(-mix) * _cost(x) + _exp(-x - _cost(mix))


def _sigmoid_norm(pair: PairScore, s: Settings) -> float:
    """-log sigma(beta times delta per token)."""
    return _cost(s.beta * (pair.chosen.mean_ratio - pair.rejected.mean_ratio))


def _sft(pairs: Sequence[PairScore], _: Settings) -> float:
    """Mean negative log-likelihood of a token of the chosen answers."""
    policies = [pair.chosen.policy for pair in pairs]
    return -sum(policy.total for policy in policies) / sum(policy.tokens for policy in policies)


LOSSES: Final[Mapping[DpoLossType, Loss]] = {
    "Sigmoid": Loss("sigmoid", _each(_sigmoid), "DPO", "arXiv 2305.18290, equation 7", "ln 2"),
    "Hinge": Loss(
        "hinge",
        _each(_hinge),
        "SLiC's hinge on DPO's ratios",
        "arXiv 2305.10425 and 2309.06657",
        "1",
    ),
    "IPO": Loss(
        "ipo",
        _each(_ipo),
        "squared distance to a fixed gap",
        "arXiv 2310.12036, equation 17",
        "(1 / (2 beta))²",
    ),
    "ExoPair": Loss(
        "exo_pair",
        _each(_exo_pair),
        "reverse KL to the smoothed labels",
        "arXiv 2402.00856, equation 16",
        "-ln 2 - ln(eps (1 - eps)) / 2",
        smoothed=True,
    ),
    "NCAPair": Loss(
        "nca_pair",
        _each(_nca_pair),
        "noise contrastive, keeps the chosen answer's likelihood",
        "arXiv 2402.05369",
        "2 ln 2",
    ),
    "Robust": Loss(
        "robust",
        _each(_robust),
        "DPO without bias from swapped labels",
        "arXiv 2403.00409",
        "ln 2",
        smoothed=True,
    ),
    "BCOPair": Loss(
        "bco_pair",
        _each(_bco_pair),
        "classifies chosen against rejected",
        "arXiv 2404.04656",
        "2 ln 2",
    ),
    "SPPOHard": Loss(
        "sppo_hard",
        _each(_sppo_hard),
        "self-play with hard win probabilities",
        "arXiv 2405.00675, equation 4.7",
        "2 (1 / (2 beta))²",
    ),
    "AOT": Loss(
        "aot",
        _aot,
        "optimal transport between sorted margins",
        "arXiv 2406.05882",
        "ln 2",
        coupling="Pairs",
        smoothed=True,
    ),
    "AOTUnpaired": Loss(
        "aot_unpaired",
        _aot_unpaired,
        "optimal transport between sorted ratios",
        "arXiv 2406.05882",
        "ln 2",
        coupling="Pairs",
        smoothed=True,
    ),
    "APOZero": Loss(
        "apo_zero",
        _each(_apo_zero),
        "raises chosen, lowers rejected",
        "arXiv 2408.06266, equation 7",
        "1",
    ),
    "APODown": Loss(
        "apo_down",
        _each(_apo_down),
        "lowers both, rejected more",
        "arXiv 2408.06266, equation 8",
        "1",
    ),
    "Discopop": Loss(
        "discopop",
        _each(_discopop),
        "blend of logistic and exponential",
        "arXiv 2406.08414, equation 5",
        "(1 + ln 2) / 2",
    ),
    "SigmoidNorm": Loss(
        "sigmoid_norm",
        _each(_sigmoid_norm),
        "DPO on ratios per token",
        "arXiv 2411.15124, length-normalised DPO",
        "ln 2",
    ),
    "SFT": Loss(
        "sft",
        _sft,
        "likelihood of the chosen answers",
        "arXiv 2404.19733, equation 1",
        None,
        coupling="Tokens",
    ),
}


def sigma(x: float) -> float:
    """The logistic function, without overflow."""
    return 1 / (1 + exp(-x)) if x >= 0 else exp(x) / (1 + exp(x))


def log_sigma(x: float) -> float:
    """Its logarithm, without overflow."""
    return -log1p(exp(-x)) if x >= 0 else x - log1p(exp(x))


def _cost(x: float) -> float:
    return -log_sigma(x)


def _smoothed(s: Settings, delta: float) -> float:
    x = s.beta * delta
    return (1 - s.label_smoothing) * _cost(x) + s.label_smoothing * _cost(-x)


def _exp(x: float) -> float:
    return exp(x) if x < 700 else inf
