"""Trains the adapter: wires TRL's trainer, checks what it made of the wiring, and runs it.

Expects the model from `model`, whose import of Unsloth has replaced parts of TRL by then.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from preftrain_api.report import Evaluation, Finding, Metrics
from preftrain_api.spec import PreferenceTrainingJobSpec, TrainingSpec
from preftrain_trainer.data.pairs import PreparedData
from preftrain_trainer.data.tokens import Rendering
from preftrain_trainer.errors import InternalError
from preftrain_trainer.fit.device import gpu_memory_reported
from preftrain_trainer.fit.layout import Fit, with_examples
from preftrain_trainer.guards.identity import StepOne
from preftrain_trainer.methods.labels import settled
from preftrain_trainer.model.loading import LoadedModel
from preftrain_trainer.progress.board import ProgressBoard
from preftrain_trainer.stop import StopRequest
from preftrain_trainer.training.feed import Material, make_feed, read_material
from preftrain_trainer.training.start import expected_start
from preftrain_trainer.training.trainer import build_trainer


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
    spec = spec.model_copy(update={"method": settled(spec.method, data.train)})
    material = read_material(model, data, spec, stop)
    for finding in material.findings:
        board.finding(finding)
    layout = with_examples(layout, training, len(material.examples))
    board.plan(layout.total_steps)
    with stop.deferred(), gpu_memory_reported("training"):
        feed = make_feed(model, material, spec, layout, stop)
        trainer = build_trainer(model, data.train, material, spec, layout, work)
        trainer.train_dataset = feed
        expected = expected_start(model, trainer, spec, layout, feed)
        return _run(trainer, model, spec, layout, material, expected, work, board, stop, evaluate)


def _run(
    trainer: Any,
    model: LoadedModel,
    spec: PreferenceTrainingJobSpec,
    layout: Fit,
    material: Material,
    expected: StepOne | None,
    work: Path,
    board: ProgressBoard,
    stop: StopRequest,
    evaluate: Callable[[], Evaluation | None] | None,
) -> Trained:
    from preftrain_trainer.training.periodic import PeriodicEvaluation
    from preftrain_trainer.training.reporter import StepReporter
    from preftrain_trainer.training.stopping import StopWatcher

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
        findings=material.findings,
        rendering=material.rendering,
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
