"""What the first step of a run must show, measured before it is made."""

from collections.abc import Sequence
from typing import Any

from preftrain_api.spec import PreferenceTrainingJobSpec, TrainingSpec
from preftrain_trainer.data.tokens import TokenizedPair
from preftrain_trainer.errors import GuardStopped
from preftrain_trainer.fit.layout import Fit
from preftrain_trainer.guards.identity import LOSS_TOLERANCE, StepOne
from preftrain_trainer.methods.table import method_of
from preftrain_trainer.model.likelihood import autocast, chosen_loss, evaluating
from preftrain_trainer.model.loading import LoadedModel


def expected_start(
    model: LoadedModel,
    trainer: Any,
    spec: PreferenceTrainingJobSpec,
    layout: Fit,
    first: Sequence[TokenizedPair],
) -> StepOne | None:
    """What the first step must show; with dropout it is checked here, with dropout off."""
    training = spec.training or TrainingSpec()
    objective = method_of(spec.method).objective(spec.method)
    likelihood = 0.0
    if objective.likelihood_weight:
        with evaluating(model.network):
            likelihood = chosen_loss(model.network, first, layout, training.max_length)
    exact = objective.at_start(likelihood)
    if spec.lora and spec.lora.dropout:
        _check_without_dropout(model, trainer, layout, first, exact)
        return None
    return StepOne(
        loss=exact,
        beta=objective.beta,
        answer_tokens=sum(len(pair.chosen) for pair in first) / len(first),
        precision=layout.precision,
    )


def _check_without_dropout(
    model: LoadedModel, trainer: Any, layout: Fit, first: Sequence[TokenizedPair], exact: float
) -> None:
    import torch

    losses = []
    with evaluating(model.network), torch.no_grad(), autocast(layout):
        for start in range(0, len(first), layout.micro_batch_size):
            micro = first[start : start + layout.micro_batch_size]
            batch = trainer.data_collator([pair.features() for pair in micro])
            inputs = trainer._prepare_inputs(batch)
            losses.append(float(trainer.compute_loss(model.network, inputs)))
    # The library collects figures of evaluation for its next log, which is none of ours.
    trainer._metrics["eval"].clear()
    loss = sum(losses) / len(losses)
    if not abs(loss - exact) <= LOSS_TOLERANCE[layout.precision] * max(1.0, abs(exact)):
        raise GuardStopped(
            f"StepOneIdentity: the loss before training is {loss:.6g}, but it is exactly "
            f"{exact:.6g}: reference model, tokenization or loss are not what they should be"
        )
