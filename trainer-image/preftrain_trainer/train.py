"""Trains the adapter: wires TRL's trainer, checks what it made of the wiring, and runs it.

Expects the model from `model`, whose import of Unsloth has replaced parts of TRL by then.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from preftrain_api.report import Evaluation, Finding, Metrics
from preftrain_api.spec import PreferenceTrainingJobSpec, TrainingSpec
from preftrain_trainer.arguments import arguments, configure, require_unchanged
from preftrain_trainer.board import ProgressBoard
from preftrain_trainer.device import gpu_memory_reported
from preftrain_trainer.errors import GuardStopped, InternalError
from preftrain_trainer.fit import Fit, with_examples
from preftrain_trainer.guards import LOSS_TOLERANCE, StepOne
from preftrain_trainer.likelihood import autocast, chosen_loss, evaluating
from preftrain_trainer.methods import method_of
from preftrain_trainer.model import ADAPTER, LoadedModel, require_trainable
from preftrain_trainer.order import training_order
from preftrain_trainer.pairs import PreferencePair, PreparedData
from preftrain_trainer.stop import StopRequest
from preftrain_trainer.tokens import (
    Rendering,
    Tokenized,
    TokenizedPair,
    as_conversation,
    tokenization_of,
)

REFERENCE: Final = "ref"
"""Adapter that TRL adds to a model that already has one, as a copy to compare with."""

_SAMPLE: Final = 8
"""Pairs that TRL tokenizes as well, to hold ours against."""


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
    evaluate: Callable[[], Evaluation | None] | None = None,
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
        evaluate: called every `evaluation.everySteps` steps.

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
    ).tokenize(data.train, data.conversational, between=stop.check)
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
        trainer = _build(model, data.train, tokenized, spec, layout, work)
        trainer.train_dataset = OrderedPairs(tokenized.pairs, order)
        first = [tokenized.pairs[index] for index in order[: layout.batch_size]]
        expected = _expected_start(model, trainer, spec, layout, first)
        return _run(trainer, model, spec, layout, tokenized, expected, work, board, stop, evaluate)


class OrderedPairs:
    """The training examples in the order in which they are seen, as a torch dataset."""

    def __init__(self, pairs: Sequence[TokenizedPair], order: Sequence[int]) -> None:
        self._pairs = pairs
        self._order = order

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, position: int) -> dict[str, list[int]]:
        return self._pairs[self._order[position]].features()


def _build(
    model: LoadedModel,
    pairs: Sequence[PreferencePair],
    tokenized: Tokenized,
    spec: PreferenceTrainingJobSpec,
    layout: Fit,
    work: Path,
) -> Any:
    from datasets import Dataset, disable_progress_bars

    disable_progress_bars()
    method = method_of(spec.method)
    wanted = arguments(spec, layout, method.arguments(spec.method), work / "library")
    config = configure(method.config_class(), wanted)
    sample = [_row(pair, tokenized.rendering) for pair in pairs[:_SAMPLE]]
    trainer = method.trainer_class()(
        model=model.network,
        args=config,
        train_dataset=Dataset.from_list(sample),
        processing_class=model.tokenizer,
    )
    require_unchanged(trainer.args, wanted)
    if tokenized.rendering == "ChatTemplate":
        _require_same_tokens(trainer.train_dataset, tokenized.pairs)
    _remove_reference(model)
    if require_trainable(model.network) != model.trainable:
        raise InternalError("building the trainer changed which parameters are trained")
    _remove_printer(trainer)
    return trainer


def _row(pair: PreferencePair, rendering: Rendering) -> dict[str, Any]:
    if rendering == "PlainText":
        return dict(pair.columns())
    prompt, chosen, rejected = as_conversation(pair)
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected}


def _require_same_tokens(theirs: Any, ours: Sequence[TokenizedPair]) -> None:
    """Whatever TRL tokenizes must be among what we train on, or the two disagree."""
    known = {(pair.prompt, pair.chosen, pair.rejected) for pair in ours[: 2 * _SAMPLE]}
    same = sum(
        (tuple(row["prompt_ids"]), tuple(row["chosen_ids"]), tuple(row["rejected_ids"])) in known
        for row in theirs
    )
    # Pairs that were left out here may still be among theirs.
    if same < min(len(theirs), len(ours)) / 2:
        raise InternalError(
            f"TRL tokenizes {len(theirs) - same} of {len(theirs)} pairs in another way"
        )


def _remove_reference(model: LoadedModel) -> None:
    """Drop TRL's copy of the untrained adapter.

    Without it the reference is the model with its adapter off, which for a fresh adapter is
    the same model. With it a resumed run would load the copy in place of the trained adapter,
    and every checkpoint would hold both.
    """
    network = model.network
    if REFERENCE in network.peft_config:
        network.delete_adapter(REFERENCE)
    if set(network.peft_config) != {ADAPTER} or network.active_adapters != [ADAPTER]:
        raise InternalError(
            f"adapters {sorted(network.peft_config)}, active {network.active_adapters}; only "
            f"{ADAPTER} must be there"
        )


def _remove_printer(trainer: Any) -> None:
    from transformers import PrinterCallback

    trainer.remove_callback(PrinterCallback)


def _expected_start(
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


def _run(
    trainer: Any,
    model: LoadedModel,
    spec: PreferenceTrainingJobSpec,
    layout: Fit,
    tokenized: Tokenized,
    expected: StepOne | None,
    work: Path,
    board: ProgressBoard,
    stop: StopRequest,
    evaluate: Callable[[], Evaluation | None] | None,
) -> Trained:
    from preftrain_trainer.callbacks import PeriodicEvaluation, StepReporter, StopWatcher

    log = work / "report" / "metrics.jsonl"
    log.parent.mkdir(parents=True, exist_ok=True)
    reporter = StepReporter(board, log, expected)
    trainer.add_callback(reporter)
    every = spec.evaluation.every_steps if spec.evaluation else None
    if every is not None and evaluate is not None:
        trainer.add_callback(PeriodicEvaluation(every, evaluate))
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
        findings=tokenized.findings,
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
