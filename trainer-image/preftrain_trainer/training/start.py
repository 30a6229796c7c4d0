"""What the first step of a run must show, measured before it is made."""

from functools import partial
from statistics import fmean
from typing import Any

from preftrain_api.spec import PreferenceTrainingJobSpec
from preftrain_trainer.errors import GuardStopped
from preftrain_trainer.fit.layout import Fit
from preftrain_trainer.guards.identity import LOSS_TOLERANCE, StepOne
from preftrain_trainer.methods.objective import Objective
from preftrain_trainer.methods.table import method_of
from preftrain_trainer.model.likelihood import autocast, evaluating, plain_likelihood
from preftrain_trainer.model.loading import LoadedModel
from preftrain_trainer.training.feed import Feed


def expected_start(
    model: LoadedModel, trainer: Any, spec: PreferenceTrainingJobSpec, layout: Fit, feed: Feed
) -> StepOne | None:
    """What the first step must show; with dropout it is checked here, with dropout off.

    Raises:
        GuardStopped: with dropout, when it does not.
    """
    method = method_of(spec.method)
    objective = method.objective(spec.method)
    measure = partial(plain_likelihood, model, layout) if objective.measured else None
    with evaluating(model.network):
        batches = feed.at_rest(measure)
    exact = fmean(objective.loss(batch) for batch in batches)
    if spec.lora and spec.lora.dropout:
        _check_without_dropout(model, trainer, method.figures, layout, feed, exact)
        return None
    chosen, rejected = _rewards(objective, batches)
    return StepOne(
        loss=exact,
        beta=objective.beta,
        answer_tokens=feed.answer_tokens() if objective.relative else 1.0,
        precision=layout.precision,
        chosen_reward=chosen,
        rejected_reward=rejected,
    )


def _rewards(objective: Objective[Any], batches: list[list[Any]]) -> tuple[float, float]:
    """Mean rewards of the first step: 0, or what an objective without reference starts at."""
    if objective.relative:
        return 0.0, 0.0
    pairs = [pair for batch in batches for pair in batch]
    return (
        fmean(objective.reward(pair.chosen) for pair in pairs),
        fmean(objective.reward(pair.rejected) for pair in pairs),
    )


def _check_without_dropout(
    model: LoadedModel, trainer: Any, figures: str, layout: Fit, feed: Feed, exact: float
) -> None:
    import torch

    losses = []
    with evaluating(model.network), torch.no_grad(), autocast(layout):
        for start in range(0, layout.batch_size, layout.micro_batch_size):
            positions = range(start, start + layout.micro_batch_size)
            batch = trainer.data_collator([feed[position] for position in positions])
            inputs = trainer._prepare_inputs(batch)
            losses.append(float(trainer.compute_loss(model.network, inputs)))
    # The library collects figures for its next log, and these are none of the training's.
    for collected in getattr(trainer, figures).values():
        collected.clear()
    loss = fmean(losses)
    if not abs(loss - exact) <= LOSS_TOLERANCE[layout.precision] * max(1.0, abs(exact)):
        raise GuardStopped(
            f"StepOneIdentity: the loss before training is {loss:.6g}, but it is exactly "
            f"{exact:.6g}: reference model, tokenization or loss are not what they should be"
        )
