"""Trains the adapter: wires TRL's trainer, checks what it made of the wiring, and runs it.

Expects the model from `model`, whose import of Unsloth has replaced parts of TRL by then.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from preftrain_api.report import Evaluation, Finding, Metrics
from preftrain_api.spec import PreferenceTrainingJobSpec, TrainingSpec
from preftrain_trainer.data.pairs import PreparedData, as_pairs
from preftrain_trainer.data.tokens import (
    Rendering,
    Tokenized,
    TokenizedPair,
    tokenization_of,
)
from preftrain_trainer.errors import InternalError
from preftrain_trainer.fit.device import gpu_memory_reported
from preftrain_trainer.fit.layout import Fit, with_examples
from preftrain_trainer.guards.admission import admission
from preftrain_trainer.guards.book import GuardBook
from preftrain_trainer.guards.rules import facts_of, limits_of
from preftrain_trainer.guards.stall import stalled
from preftrain_trainer.model.loading import LoadedModel
from preftrain_trainer.progress.board import ProgressBoard
from preftrain_trainer.stop import StopRequest
from preftrain_trainer.training.order import training_order
from preftrain_trainer.training.start import expected_start
from preftrain_trainer.training.trainer import OrderedPairs, build_trainer


@dataclass(frozen=True, slots=True)
class Trained:
    """What training came to."""

    steps: int
    total_steps: int
    first_step_time: datetime | None
    metrics: Metrics
    findings: tuple[Finding, ...]
    rendering: Rendering
    trainable_parameters: int
    peak_gpu_bytes: int | None


def train(
    model: LoadedModel,
    data: PreparedData,
    spec: PreferenceTrainingJobSpec,
    layout: Fit,
    *,
    work: Path,
    board: ProgressBoard,
    stop: StopRequest,
    evaluate: Callable[[int], Evaluation | None] | None = None,
) -> Trained:
    """Train the adapter of `model` in place as the resolved `spec` says.

    Args:
        model: base model with a fresh adapter.
        data: pairs to train on.
        spec: the resolved spec.
        layout: what it became on this device.
        work: folder with `report/`, to which `metrics.jsonl` is written.
        board: shows the progress.
        stop: ends training at the next micro-batch; must not interrupt it elsewhere.
        evaluate: called with the step every `evaluation.everySteps` steps.

    Raises:
        DataRefused: too many pairs cannot be used at this length.
        ModelUnavailable: the chat template cannot be trained with.
        GuardStopped: the run cannot become a good adapter.
        Preempted: the process was asked to end.
        OutOfGpuMemory: model, batch and length do not fit.
        InternalError: a library does not do what it was told.
    """
    training = spec.training or TrainingSpec()
    board.phase("PreparingData")
    tokenized = tokenization_of(
        model.tokenizer, model.end_marks, training.max_length, spec.dataset
    ).tokenize(as_pairs(data.train), data.conversational, between=stop.check)
    for finding in tokenized.findings:
        board.finding(finding)
    layout = with_examples(layout, training, len(tokenized.pairs))
    board.plan(layout.total_steps)
    order = training_order(
        [min(pair.length, training.max_length) for pair in tokenized.pairs],
        layout.batch_size,
        layout.total_steps,
        training.seed,
    )
    with stop.deferred(), gpu_memory_reported("training"):
        trainer = build_trainer(model, as_pairs(data.train), tokenized, spec, layout, work)
        trainer.train_dataset = OrderedPairs(tokenized.pairs, order)
        first = [tokenized.pairs[index] for index in order[: layout.batch_size]]
        expected = expected_start(model, trainer, spec, layout, first)
        facts = facts_of(
            spec,
            layout,
            chosen_tokens=chosen_tokens(tokenized.pairs, training.max_length),
            expected=expected,
        )
        book = GuardBook(spec.guards, facts, admission(spec))
        board.judge_pace(partial(stalled, limits=limits_of("Stall", spec.guards)))
        return _run(trainer, model, spec, layout, tokenized, book, work, board, stop, evaluate)


def chosen_tokens(pairs: Sequence[TokenizedPair], max_length: int) -> list[int]:
    """Lengths of the chosen answers in tokens, as they are trained on."""
    return [min(len(pair.chosen), max_length - len(pair.prompt)) for pair in pairs]


def _run(
    trainer: Any,
    model: LoadedModel,
    spec: PreferenceTrainingJobSpec,
    layout: Fit,
    tokenized: Tokenized,
    book: GuardBook,
    work: Path,
    board: ProgressBoard,
    stop: StopRequest,
    evaluate: Callable[[int], Evaluation | None] | None,
) -> Trained:
    from preftrain_trainer.training.periodic import PeriodicEvaluation
    from preftrain_trainer.training.reporter import StepReporter
    from preftrain_trainer.training.stopping import StopWatcher

    log = work / "report" / "metrics.jsonl"
    log.parent.mkdir(parents=True, exist_ok=True)
    reporter = StepReporter(board, log, book)
    trainer.add_callback(reporter)
    every = spec.evaluation.every_steps if spec.evaluation else None
    if every is not None and evaluate is not None:
        trainer.add_callback(PeriodicEvaluation(every, reporter.judging(evaluate)))
    trainer.add_callback(StopWatcher(stop))
    board.phase("Training")
    with _peak_memory(layout) as peak:
        trainer.train()
    steps = int(trainer.state.global_step)
    if steps != layout.total_steps or reporter.newest is None:
        raise InternalError(f"training ended after {steps} of {layout.total_steps} steps")
    return Trained(
        steps=steps,
        total_steps=layout.total_steps,
        first_step_time=board.snapshot().first_step_time,
        metrics=board.snapshot().metrics,
        findings=(*book.findings, *tokenized.findings),
        rendering=tokenized.rendering,
        trainable_parameters=model.trainable,
        peak_gpu_bytes=peak(),
    )


@contextmanager
def _peak_memory(layout: Fit) -> Iterator[Callable[[], int | None]]:
    import torch

    if layout.device.kind == "CPU":
        yield lambda: None
        return
    torch.cuda.reset_peak_memory_stats()
    yield lambda: int(torch.cuda.max_memory_reserved())
