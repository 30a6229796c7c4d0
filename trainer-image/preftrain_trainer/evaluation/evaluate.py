"""Judges the adapter on examples that it was not trained on.

All methods are judged on pairs: reward accuracy is the share of pairs whose better answer has
the larger reward. DPO and KTO reward what the adapter made likelier than the base model, so
their accuracy says what was learnt. ORPO has no reference: it rewards likely answers, so its
accuracy says how often the model prefers the better answer, and the base model has one, too.
No figure here is used for training.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import isfinite
from statistics import fmean
from typing import Any

from preftrain_api.report import Evaluation
from preftrain_api.spec import PreferenceTrainingJobSpec, TrainingSpec
from preftrain_trainer.data.lazy import Lazy
from preftrain_trainer.data.pairs import PreparedData, as_answers, as_pairs
from preftrain_trainer.data.tokens import TokenizedAnswer, TokenizedPair, tokenization_of
from preftrain_trainer.errors import GuardStopped
from preftrain_trainer.evaluation.batches import BATCHES, Pairs, mean_loss
from preftrain_trainer.evaluation.margins import PairMargin, margins_of
from preftrain_trainer.evaluation.matching import matched
from preftrain_trainer.evaluation.statistics import wilson_interval
from preftrain_trainer.fit.layout import Fit
from preftrain_trainer.fit.memory import gpu_memory_reported
from preftrain_trainer.methods.labels import settled
from preftrain_trainer.methods.objective import Objective
from preftrain_trainer.methods.scores import PairScore, Score
from preftrain_trainer.methods.table import method_of
from preftrain_trainer.model.likelihood import Passage, Scorer, passage, passages_of
from preftrain_trainer.model.loading import LoadedModel
from preftrain_trainer.progress.board import ProgressBoard
from preftrain_trainer.stop import StopRequest


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Held-out pairs, as they are judged."""

    rows: Sequence[int]
    """Number of each pair's row in the source; of matched answers that of the good one."""
    pairs: Sequence[tuple[Passage, Passage]]
    """The better answer first; each access reads from disk."""


def evaluate(
    model: LoadedModel,
    held_out: HeldOut,
    data: PreparedData,
    spec: PreferenceTrainingJobSpec,
    layout: Fit,
    *,
    board: ProgressBoard,
    stop: StopRequest,
    margins: Callable[[tuple[PairMargin, ...]], None] | None = None,
) -> Evaluation | None:
    """Figures on the held-out pairs; None when there are none to judge on.

    `margins`, if given, takes how every single pair was judged.

    Raises:
        Preempted: the process was asked to end.
        GuardStopped: the model gives no numbers any more.
    """
    if not held_out.pairs:
        return None
    training = spec.training or TrainingSpec()
    before = board.snapshot()
    board.phase("Evaluating")
    method = method_of(spec.method)
    objective = method.objective(settled(spec.method, data.train))
    with gpu_memory_reported("evaluating"):
        scorer = Scorer(
            model, layout, objective.tail_weight, objective.reads_prompts, between=stop.check
        )
        pairs = held_out.pairs
        flat = scorer.scores(Lazy(2 * len(pairs), lambda at: pairs[at // 2][at % 2]))
        scores = [PairScore(*pair) for pair in zip(flat[::2], flat[1::2], strict=True)]
        batches = BATCHES[method.form](
            pairs,
            scores,
            layout.micro_batch_size,
            partial(_mismatch, scorer, training.max_length) if objective.mismatches else None,
        )
    result = summarize(scores, objective, mean_loss(batches, objective))
    board.evaluated(result)
    if margins is not None:
        margins(margins_of(held_out.rows, scores, objective))
    if before.step < before.total_steps:
        board.phase(before.phase)
    return result


def read_held_out(
    model: LoadedModel, data: PreparedData, spec: PreferenceTrainingJobSpec, stop: StopRequest
) -> HeldOut:
    """The held-out pairs in token ids; of labelled answers the matched ones.

    Raises:
        DataRefused: too many held-out examples cannot be used at this length.
    """
    training = spec.training or TrainingSpec()
    length = training.max_length
    tokenization = tokenization_of(
        model.tokenizer, model.end_marks, length, spec.dataset, data.scratch
    )
    pairs: Sequence[TokenizedPair | tuple[TokenizedAnswer, TokenizedAnswer]]
    if data.kind == "Unpaired":
        answers = tokenization.tokenize_answers(
            as_answers(data.held_out), data.conversational, between=stop.check
        )
        both = matched([answer.desirable for answer in answers.examples], training.seed)
        pairs = Lazy(
            len(both),
            lambda at: (answers.examples[both[at][0]], answers.examples[both[at][1]]),
        )
        rows: Sequence[int] = [answers.rows[good] for good, _ in both]
    else:
        tokenized = tokenization.tokenize(
            as_pairs(data.held_out), data.conversational, between=stop.check
        )
        pairs, rows = tokenized.examples, tokenized.rows
    return HeldOut(rows, Lazy(len(pairs), lambda at: passages_of(pairs[at], length)))


def summarize(scores: Sequence[PairScore], objective: Objective[Any], loss: float) -> Evaluation:
    """Figures from the scores of the pairs. Pure.

    Equal rewards count as wrong, so an untrained adapter has an accuracy of 0 wherever rewards
    compare with the reference.

    Raises:
        GuardStopped: a figure is no number. The last update made weights so; the loss of the
            next step would show it, but there may be none.
    """
    margins = [objective.reward(pair.chosen) - objective.reward(pair.rejected) for pair in scores]
    right = sum(margin > 0 for margin in margins)
    low, high = wilson_interval(right, len(margins))
    if not isfinite(loss + sum(margins)):
        raise GuardStopped(
            f"NonFinite: on the held-out pairs the loss is {loss:.4g} and the mean margin "
            f"{fmean(margins):.4g}; lower training.learningRate or use another training.precision"
        )
    return Evaluation(
        pairs=len(margins),
        reward_accuracy=right / len(margins),
        accuracy_low=low,
        accuracy_high=high,
        reward_margin=fmean(margins),
        loss=loss,
        chosen_log_ratio=fmean(
            pair.chosen.policy.total - pair.chosen.reference.total for pair in scores
        ),
    )


def _mismatch(scorer: Scorer, max_length: int, both: Pairs) -> list[Score]:
    """Scores of the first passages' prompts with the second ones' answers."""

    def mismatched(at: int) -> Passage:
        own, other = both[at]
        return passage(own.prompt, other.answer, max_length)

    return scorer.scores(Lazy(len(both), mismatched))
