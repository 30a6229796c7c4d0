"""The alignment methods as data: which classes train them, with which arguments, on which loss.

Adding a method or a loss is adding an entry here; no other module asks which method runs.
Torch-free: classes are named, not imported.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from math import exp, log1p
from typing import Any, Final

from preftrain_api.spec import DpoSpec, MethodSpec
from preftrain_api.spec.method import DpoLossType, MethodType
from preftrain_trainer.errors import BadSpec


@dataclass(frozen=True, slots=True)
class PairScore:
    """What a loss of one pair is computed from.

    The ratios are log-probabilities of whole answers in nats, adapter minus reference.
    """

    chosen_ratio: float
    rejected_ratio: float
    chosen_tokens: int
    rejected_tokens: int


UNTRAINED: Final = PairScore(0.0, 0.0, 1, 1)
"""Any pair before the first update: policy and reference are one."""


@dataclass(frozen=True, slots=True)
class Loss:
    """One term of a pairwise loss."""

    trl_name: str
    of_pair: Callable[[PairScore, float], float] | None
    """Its value for a pair and beta; None for a likelihood term, which has no closed form."""


def _sigmoid(score: PairScore, beta: float) -> float:
    """-log sigmoid(beta * delta): DPO, arXiv 2305.18290, equation 7."""
    return _softplus(-beta * (score.chosen_ratio - score.rejected_ratio))


def _hinge(score: PairScore, beta: float) -> float:
    """max(0, 1 - beta * delta): SLiC, arXiv 2305.10425."""
    return max(0.0, 1 - beta * (score.chosen_ratio - score.rejected_ratio))


def _ipo(score: PairScore, beta: float) -> float:
    """(delta per token - 1 / (2 tau))^2: arXiv 2310.12036, equation 17, with the ratios
    divided by the answers' lengths as the authors do.
    """
    per_token = score.chosen_ratio / score.chosen_tokens
    return float((per_token - score.rejected_ratio / score.rejected_tokens - 1 / (2 * beta)) ** 2)


def _softplus(x: float) -> float:
    """log(1 + exp(x)) without overflow."""
    return x + log1p(exp(-x)) if x > 0 else log1p(exp(x))


LOSSES: Final[Mapping[DpoLossType, Loss]] = {
    "Sigmoid": Loss("sigmoid", _sigmoid),
    "Hinge": Loss("hinge", _hinge),
    "IPO": Loss("ipo", _ipo),
    "SFT": Loss("sft", None),
}


@dataclass(frozen=True, slots=True)
class Objective:
    """The loss of a run: a sum of pairwise terms, and of the chosen answers' likelihood."""

    terms: tuple[tuple[Loss, float], ...]
    """Terms with their weights."""
    beta: float

    @property
    def likelihood_weight(self) -> float:
        """Weight of the mean negative log-likelihood of a token of the chosen answers."""
        return sum(weight for loss, weight in self.terms if loss.of_pair is None)

    def of_pair(self, score: PairScore) -> float:
        """The pairwise part for one pair."""
        return sum(
            weight * loss.of_pair(score, self.beta)
            for loss, weight in self.terms
            if loss.of_pair is not None
        )

    def at_start(self, chosen_likelihood_loss: float = 0.0) -> float:
        """The exact loss of the first step, before any update.

        The pairwise part is a constant: ln 2 for Sigmoid, 1 for Hinge, (1 / (2 beta))^2 for
        IPO, times their weights. A likelihood term adds its measured value.
        """
        return self.of_pair(UNTRAINED) + self.likelihood_weight * chosen_likelihood_loss


@dataclass(frozen=True, slots=True)
class Method:
    """How one method is trained."""

    module: str
    """Module of TRL that has the two classes."""
    trainer: str
    config: str
    arguments: Callable[[MethodSpec], dict[str, Any]]
    """The method's own part of the trainer's configuration."""
    objective: Callable[[MethodSpec], Objective]

    def trainer_class(self) -> Any:
        """The trainer class; Unsloth must have been imported, because it replaces it."""
        return getattr(import_module(self.module), self.trainer)

    def config_class(self) -> Any:
        """The configuration class that belongs to it."""
        return getattr(import_module(self.module), self.config)


def _dpo(method: MethodSpec) -> DpoSpec:
    dpo = method.dpo or DpoSpec()
    if dpo.label_smoothing and all(
        loss.type in ("Sigmoid", "Hinge", "IPO", "SFT") for loss in dpo.losses or ()
    ):
        # TRL takes the argument and leaves these losses as they are.
        raise BadSpec(
            "method.dpo.labelSmoothing has no effect on the losses Sigmoid, Hinge, IPO and SFT; "
            "remove it"
        )
    return dpo


def _dpo_objective(method: MethodSpec) -> Objective:
    dpo = _dpo(method)
    terms = [(loss.type, loss.weight) for loss in dpo.losses or ()] or [("Sigmoid", 1.0)]
    return Objective(tuple((LOSSES[name], float(weight)) for name, weight in terms), dpo.beta)


def _dpo_arguments(method: MethodSpec) -> dict[str, Any]:
    dpo, objective = _dpo(method), _dpo_objective(method)
    return {
        "beta": dpo.beta,
        "loss_type": [loss.trl_name for loss, _ in objective.terms],
        "loss_weights": [weight for _, weight in objective.terms],
        "label_smoothing": dpo.label_smoothing,
        "ld_alpha": dpo.ld_alpha,
        "discopop_tau": 0.05 if dpo.discopop_tau is None else dpo.discopop_tau,
        "f_divergence_type": "reverse_kl",
        "f_alpha_divergence_coef": 0.5,
        "use_weighting": False,
        "truncation_mode": "keep_start",
        "padding_free": False,
        "sync_ref_model": False,
        "ref_model_mixup_alpha": 0.6,
        "ref_model_sync_steps": 512,
    }


METHODS: Final[Mapping[MethodType, Method]] = {
    "DPO": Method("trl", "DPOTrainer", "DPOConfig", _dpo_arguments, _dpo_objective),
}


def method_of(spec: MethodSpec) -> Method:
    """The method that `spec.type` names.

    Raises:
        BadSpec: this release does not have it.
    """
    if spec.type not in METHODS:
        raise BadSpec(
            f"method.type {spec.type} is not available in this release; use "
            f"{', '.join(sorted(METHODS))}"
        )
    return METHODS[spec.type]
