"""The methods as data: which classes train them, with which arguments, on which examples.

Adding a method or a loss is adding an entry here or in `losses`; no other module asks which
method runs. Torch-free: classes are named, not imported.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, Literal

from preftrain_api.spec import DpoLoss, DpoSpec, KtoSpec, MethodSpec, OrpoSpec
from preftrain_api.spec.method import MethodType
from preftrain_trainer.data.pairs import Kind
from preftrain_trainer.methods.labels import LABEL_LOSSES
from preftrain_trainer.methods.losses import LOSSES, Settings
from preftrain_trainer.methods.objective import (
    LabelObjective,
    Objective,
    OddsObjective,
    PairObjective,
)

Form = Literal["Pairs", "Answers"]
"""What one training example is: a pair, or one labelled answer."""

DEFAULT_TAU: Final = 0.05
"""Of Discopop: arXiv 2406.08414, section 4."""


@dataclass(frozen=True, slots=True)
class Method:
    """How one method is trained."""

    module: str
    """Module of TRL that has the two classes."""
    trainer: str
    config: str
    form: Form
    kinds: frozenset[Kind]
    """Data that it can learn from."""
    has_reference: bool
    splits_contexts: bool
    """Whether the class that Unsloth generates on a GPU could split a sequence over several."""
    figures: str
    """Attribute of the trainer that collects figures for its next log."""
    arguments: Callable[[MethodSpec, int | None], dict[str, Any]]
    """The method's own part of the trainer's configuration, for a method whose weights are
    settled and a length that batches are padded to a multiple of."""
    objective: Callable[[MethodSpec], Objective[Any]]
    """The loss, for a method whose weights are settled."""
    couples_examples: Callable[[MethodSpec], bool]
    """Whether the examples of a micro-batch are compared with one another, so that its size is
    part of the loss."""

    def trainer_class(self) -> Any:
        """The trainer class; Unsloth must have been imported, because it replaces it."""
        return getattr(import_module(self.module), self.trainer)

    def config_class(self) -> Any:
        """The configuration class that belongs to it."""
        return getattr(import_module(self.module), self.config)


def dpo_losses(dpo: DpoSpec) -> tuple[DpoLoss, ...]:
    """The terms of the loss; one Sigmoid when nothing is said."""
    return dpo.losses or (DpoLoss(type="Sigmoid"),)


_WITH_REFERENCE: Final[Mapping[str, Any]] = {
    # The reference is the model with its adapter off; where its values are computed in advance
    # this is done by us, for examples that the library does not see.
    "precompute_ref_log_probs": False,
    "precompute_ref_batch_size": None,
    "sync_ref_model": False,
    "ref_model_mixup_alpha": 0.6,
    "ref_model_sync_steps": 512,
    "activation_offloading": False,
    "router_aux_loss_coef": None,
}


def _dpo_objective(method: MethodSpec) -> PairObjective:
    dpo = method.dpo or DpoSpec()
    tau = DEFAULT_TAU if dpo.discopop_tau is None else dpo.discopop_tau
    return PairObjective(
        terms=tuple((LOSSES[term.type], float(term.weight)) for term in dpo_losses(dpo)),
        settings=Settings(dpo.beta, dpo.label_smoothing, tau),
        tail_weight=1.0 if dpo.ld_alpha is None else dpo.ld_alpha,
    )


def _dpo_arguments(method: MethodSpec, padding: int | None) -> dict[str, Any]:
    dpo, objective = method.dpo or DpoSpec(), _dpo_objective(method)
    return {
        **_WITH_REFERENCE,
        "beta": dpo.beta,
        "loss_type": [loss.trl_name for loss, _ in objective.terms],
        "loss_weights": [weight for _, weight in objective.terms],
        "label_smoothing": dpo.label_smoothing,
        "ld_alpha": dpo.ld_alpha,
        "discopop_tau": objective.settings.discopop_tau,
        "f_divergence_type": "reverse_kl",
        "f_alpha_divergence_coef": 0.5,
        "use_weighting": False,
        "truncation_mode": "keep_start",
        "padding_free": False,
        "pad_to_multiple_of": padding,
        "pad_token": None,
    }


def _dpo_couples(method: MethodSpec) -> bool:
    terms = dpo_losses(method.dpo or DpoSpec())
    return any(LOSSES[term.type].coupling == "Pairs" for term in terms)


def _orpo_objective(method: MethodSpec) -> OddsObjective:
    return OddsObjective((method.orpo or OrpoSpec()).beta)


def _orpo_arguments(method: MethodSpec, _padding: int | None) -> dict[str, Any]:
    return {
        "beta": _orpo_objective(method).beta,
        "is_encoder_decoder": None,
        "max_completion_length": None,
        "padding_value": None,
        "generate_during_eval": False,
        # The library's collator for this method takes all columns, and insists on it.
        "remove_unused_columns": False,
    }


def _kto_objective(method: MethodSpec) -> LabelObjective:
    kto = method.kto or KtoSpec()
    if kto.desirable_weight is None or kto.undesirable_weight is None:
        raise ValueError("the weights follow from the label counts, which were not looked at")
    return LabelObjective(
        LABEL_LOSSES[kto.loss_type],
        kto.beta,
        float(kto.desirable_weight),
        float(kto.undesirable_weight),
    )


def _kto_arguments(method: MethodSpec, padding: int | None) -> dict[str, Any]:
    objective = _kto_objective(method)
    return {
        **_WITH_REFERENCE,
        "beta": objective.beta,
        "loss_type": objective.kind.trl_name,
        "desirable_weight": objective.desirable_weight,
        "undesirable_weight": objective.undesirable_weight,
        "pad_to_multiple_of": padding,
    }


METHODS: Final[Mapping[MethodType, Method]] = {
    "DPO": Method(
        module="trl",
        trainer="DPOTrainer",
        config="DPOConfig",
        form="Pairs",
        kinds=frozenset({"Paired"}),
        has_reference=True,
        splits_contexts=True,
        figures="_metrics",
        arguments=_dpo_arguments,
        objective=_dpo_objective,
        couples_examples=_dpo_couples,
    ),
    "ORPO": Method(
        module="trl.experimental.orpo",
        trainer="ORPOTrainer",
        config="ORPOConfig",
        form="Pairs",
        kinds=frozenset({"Paired"}),
        has_reference=False,
        splits_contexts=False,
        figures="_stored_metrics",
        arguments=_orpo_arguments,
        objective=_orpo_objective,
        couples_examples=lambda _: False,
    ),
    "KTO": Method(
        module="trl",
        trainer="KTOTrainer",
        config="KTOConfig",
        form="Answers",
        kinds=frozenset({"Paired", "Unpaired"}),
        has_reference=True,
        splits_contexts=False,
        figures="_metrics",
        arguments=_kto_arguments,
        objective=_kto_objective,
        couples_examples=lambda _: True,
    ),
}


def method_of(spec: MethodSpec) -> Method:
    """The method that `spec.type` names."""
    return METHODS[spec.type]
