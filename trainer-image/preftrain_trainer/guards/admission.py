"""Settings that people recommend against, found before anything is loaded. Pure.

Advice, never a silent change: a spec outside of a range is trained as it is, unless the rule
Hyperparameters has the action Stop.
"""

from collections.abc import Iterator
from typing import Final

from preftrain_api.report import Finding
from preftrain_api.spec import MethodSpec, PreferenceTrainingJobSpec, TrainingSpec
from preftrain_api.spec.quality import GuardName
from preftrain_trainer.errors import BadSpec
from preftrain_trainer.guards.rules import limits_of

NAME: Final[GuardName] = "Hyperparameters"
LEAST_RATE: Final = 1e-6
"""A rate for full fine-tuning: an adapter hardly moves at it (the DPO paper uses 1e-6 and
5e-7 for whole models, TRL's script with LoRA 5e-6)."""
MOST_EPOCHS: Final = 3.0
"""Quality falls before one epoch is over (arXiv 2406.02900); more than three are a mistake."""
BETA_RANGE: Final = (0.01, 1.0)
"""What recipes use: 0.01 for Zephyr, 0.6 for OpenHermes (huggingface.co/blog/pref-tuning)."""
IPO_RANGE: Final = (0.01, 0.5)
"""IPO's beta is the paper's tau: the target is 1 / (2 tau) nats a token, here 50 to 1."""


def admission(spec: PreferenceTrainingJobSpec) -> tuple[Finding, ...]:
    """What stands out in a resolved spec; one finding a field, an Error where it is refused."""
    limits = limits_of(NAME, spec.guards)
    return tuple(
        Finding(
            name=NAME,
            severity="Error" if grave and limits.action == "Stop" else "Warning",
            message=message,
        )
        for message, grave in _remarks(spec, limits.threshold, limits.stop)
    )


def refuse_inadmissible(spec: PreferenceTrainingJobSpec) -> tuple[Finding, ...]:
    """The findings of `admission`, where none refuses the spec.

    Raises:
        BadSpec: one does; the sentence names the field.
    """
    findings = admission(spec)
    refused = [finding.message for finding in findings if finding.severity == "Error"]
    if refused:
        raise BadSpec("; ".join(f"spec.{message}" for message in refused))
    return findings


def _remarks(
    spec: PreferenceTrainingJobSpec, rate_threshold: float, rate_stop: float
) -> Iterator[tuple[str, bool]]:
    training = spec.training or TrainingSpec()
    rate = training.learning_rate
    if rate is not None and rate > rate_threshold:
        yield (
            f"training.learningRate {rate:g} is above {rate_threshold:g}, where adapters begin "
            "to destroy models; lower it, and compare samples of the answers",
            rate > rate_stop,
        )
    if rate is not None and rate < LEAST_RATE:
        yield (
            f"training.learningRate {rate:g} is a rate for full fine-tuning; an adapter hardly "
            "moves below 1e-6, use 5e-6",
            False,
        )
    if training.epochs is not None and training.epochs > MOST_EPOCHS:
        yield f"training.epochs {training.epochs:g} learns the pairs by heart; use 1 to 3", False
    member = spec.method.type.lower()
    beta = _beta(spec.method)
    losses = (spec.method.dpo.losses or ()) if spec.method.dpo else ()
    has_tau = any(loss.type == "IPO" for loss in losses)
    low, high = IPO_RANGE if has_tau else BETA_RANGE
    if not low <= beta <= high:
        name = "as IPO's tau" if has_tau else "for this method"
        yield (
            f"method.{member}.beta {beta:g} is unusual {name}; recipes use {low:g} to {high:g}",
            False,
        )


def _beta(method: MethodSpec) -> float:
    """Of whichever member the resolved method has."""
    settings = (method.dpo, method.orpo, method.kto)
    return next(each.beta for each in settings if each is not None)
