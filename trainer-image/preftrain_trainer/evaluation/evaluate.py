"""Judges the adapter on pairs that it was not trained on.

Reward accuracy and margin compare the model with its adapter to the same model without, on
whole answers; no figure here is used for training.
"""

from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any

from preftrain_api.report import Evaluation
from preftrain_api.spec import PreferenceTrainingJobSpec, TrainingSpec
from preftrain_trainer.data.pairs import PreparedData, as_pairs
from preftrain_trainer.data.tokens import TokenizedPair, tokenization_of
from preftrain_trainer.evaluation.margins import PairMargin, margins_of
from preftrain_trainer.evaluation.statistics import wilson_interval
from preftrain_trainer.fit.layout import Fit
from preftrain_trainer.fit.memory import gpu_memory_reported
from preftrain_trainer.methods.table import Objective, PairScore, method_of
from preftrain_trainer.model.likelihood import PairLikelihood, evaluating, pair_likelihoods
from preftrain_trainer.model.loading import LoadedModel
from preftrain_trainer.progress.board import ProgressBoard
from preftrain_trainer.stop import StopRequest


def evaluate(
    model: LoadedModel,
    data: PreparedData,
    spec: PreferenceTrainingJobSpec,
    layout: Fit,
    *,
    board: ProgressBoard,
    stop: StopRequest,
    margins: Callable[[tuple[PairMargin, ...]], None] | None = None,
) -> Evaluation | None:
    """Figures on the held-out pairs; None when nothing is held out.

    The model must have been through `train`, which adds the scoring head of the library.
    `margins`, if given, takes how every single pair was judged.

    Raises:
        Preempted: the process was asked to end.
        DataRefused: too many held-out pairs cannot be used at this length.
    """
    if not data.held_out:
        return None
    training = spec.training or TrainingSpec()
    before = board.snapshot()
    board.phase("Evaluating")
    tokenized = tokenization_of(
        model.tokenizer, model.end_marks, training.max_length, spec.dataset
    ).tokenize(as_pairs(data.held_out), data.conversational, between=stop.check)
    network, collate = model.network, _collator(model, layout, training.max_length)
    rows: list[int] = []
    policy: list[PairLikelihood] = []
    reference: list[PairLikelihood] = []
    with evaluating(network), gpu_memory_reported("evaluating"):
        for positions in _batches(tokenized.pairs, layout.eval_batch_size):
            stop.check()
            batch = [tokenized.pairs[position] for position in positions]
            rows += [tokenized.rows[position] for position in positions]
            policy += pair_likelihoods(network, collate, batch, layout)
            with network.disable_adapter():
                reference += pair_likelihoods(network, collate, batch, layout)
    objective = method_of(spec.method).objective(spec.method)
    result = summarize(policy, reference, objective)
    board.evaluated(result)
    if margins is not None:
        margins(margins_of(rows, policy, reference, objective.beta))
    if before.step < before.total_steps:
        board.phase(before.phase)
    return result


def summarize(
    policy: Sequence[PairLikelihood], reference: Sequence[PairLikelihood], objective: Objective
) -> Evaluation:
    """Figures from the likelihoods of the same pairs under policy and reference. Pure.

    Equal rewards count as wrong, so an untrained adapter has an accuracy of 0.
    """
    scores = [
        PairScore(
            chosen_ratio=ours.chosen - theirs.chosen,
            rejected_ratio=ours.rejected - theirs.rejected,
            chosen_tokens=max(ours.chosen_tokens, 1),
            rejected_tokens=max(ours.rejected_tokens, 1),
        )
        for ours, theirs in zip(policy, reference, strict=True)
    ]
    right = sum(score.chosen_ratio > score.rejected_ratio for score in scores)
    low, high = wilson_interval(right, len(scores))
    chosen_tokens = sum(score.chosen_tokens for score in scores)
    likelihood_loss = -sum(ours.chosen for ours in policy) / chosen_tokens
    return Evaluation(
        pairs=len(scores),
        reward_accuracy=right / len(scores),
        accuracy_low=low,
        accuracy_high=high,
        reward_margin=objective.beta
        * fmean(score.chosen_ratio - score.rejected_ratio for score in scores),
        loss=fmean(objective.of_pair(score) for score in scores)
        + objective.likelihood_weight * likelihood_loss,
        chosen_log_ratio=fmean(score.chosen_ratio for score in scores),
    )


def _collator(model: LoadedModel, layout: Fit, max_length: int) -> Any:
    from trl.trainer.dpo_trainer import DataCollatorForPreference

    return DataCollatorForPreference(
        pad_token_id=model.tokenizer.pad_token_id,
        max_length=max_length,
        truncation_mode="keep_start",
        pad_to_multiple_of=layout.pad_to_multiple_of,
    )


def _batches(pairs: Sequence[TokenizedPair], size: int) -> list[Sequence[int]]:
    """Positions of similar lengths, longest first, so that too little memory shows at once."""
    ordered = sorted(range(len(pairs)), key=lambda at: pairs[at].length, reverse=True)
    return [ordered[start : start + size] for start in range(0, len(ordered), size)]
