"""Trains the adapter: wires TRL's trainer, checks what it made of the wiring, and runs it.

Expects the model from `model`, whose import of Unsloth has replaced parts of TRL by then.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from preftrain_api.report import Evaluation
from preftrain_api.spec import (
    CheckpointSpec,
    EvaluationSpec,
    PreferenceTrainingJobSpec,
    TrainingSpec,
)
from preftrain_trainer.checkpoint.keeping import Keeping
from preftrain_trainer.checkpoint.remote import Saved
from preftrain_trainer.checkpoint.rhythm import rhythm_of
from preftrain_trainer.checkpoint.state import Selection
from preftrain_trainer.data.pairs import PreparedData
from preftrain_trainer.data.tokens import Rendering
from preftrain_trainer.errors import InternalError
from preftrain_trainer.fit.layout import Fit, with_examples
from preftrain_trainer.fit.memory import gpu_memory_reported
from preftrain_trainer.guards.admission import admission
from preftrain_trainer.guards.book import GuardBook
from preftrain_trainer.guards.rules import facts_of, limits_of
from preftrain_trainer.guards.stall import stalled
from preftrain_trainer.methods.labels import settled
from preftrain_trainer.model.loading import LoadedModel
from preftrain_trainer.progress.board import ProgressBoard
from preftrain_trainer.stop import StopRequest
from preftrain_trainer.training.feed import desirable_tokens, make_feed, read_material
from preftrain_trainer.training.selection import told
from preftrain_trainer.training.start import expected_start
from preftrain_trainer.training.trainer import build_trainer

BEST: Final = "best.safetensors"
"""The best evaluated adapter, in the folder of this attempt."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What training came to; the board has its figures."""

    steps: int
    total_steps: int
    adapter_step: int
    """Step of the adapter that is in the model: the last, or the best that was evaluated."""
    evaluation: Evaluation | None
    """The judgement on that adapter where it is fresh."""
    rendering: Rendering
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
    evaluate: Callable[[int], Evaluation | None] = lambda step: None,
    keeping: Keeping | None = None,
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
        evaluate: called with the step every `evaluation.everySteps` steps; gives None where
            nothing is held out.
        keeping: where the state comes from and goes to; None for trials that are not resumed.

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
        expected = None
        if keeping is None or keeping.resumed is None:
            expected = expected_start(model, trainer, spec, layout, feed)
        facts = facts_of(
            spec,
            layout,
            examples=len(material.examples),
            chosen_tokens=desirable_tokens(material, training.max_length),
            expected=expected,
        )
        book = GuardBook(spec.guards, facts, admission(spec))
        board.judge_pace(partial(stalled, limits=limits_of("Stall", spec.guards)))
        log = work / "report" / "metrics.jsonl"
        course = _Course(trainer, model, spec, layout, work, log, book, board, stop)
        return course.run(material.rendering, evaluate, keeping)


@dataclass(frozen=True, slots=True)
class _Course:
    """One training loop with everything that watches it."""

    trainer: Any
    model: LoadedModel
    spec: PreferenceTrainingJobSpec
    layout: Fit
    work: Path
    log: Path
    book: GuardBook
    board: ProgressBoard
    stop: StopRequest

    def run(
        self,
        rendering: Rendering,
        evaluate: Callable[[int], Evaluation | None],
        keeping: Keeping | None,
    ) -> Trained:
        from preftrain_trainer.training.periodic import PeriodicEvaluation
        from preftrain_trainer.training.reporter import StepReporter
        from preftrain_trainer.training.resuming import ResumeCheck, continue_count, restore_log
        from preftrain_trainer.training.saving import Checkpointer
        from preftrain_trainer.training.stopping import StopWatcher

        resumed = keeping.resumed if keeping else None
        if resumed is not None:
            self.book.restore(resumed.state.guard_state)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        reporter = StepReporter(self.board, self.log, self.book)
        evaluation = self.spec.evaluation or EvaluationSpec()
        periodic = PeriodicEvaluation(
            evaluation,
            self.model,
            reporter.judging(evaluate),
            self.work / BEST,
            resumed.state.selection if resumed else Selection(),
        )
        # Each acts on what those before it have done with a step.
        watchers: list[Any] = [reporter, periodic]
        checkpointer = None
        if keeping is not None:
            checkpointer = Checkpointer(
                self.trainer,
                self.model,
                self.layout,
                keeping,
                rhythm_of(self.spec.checkpoint or CheckpointSpec(), self.layout.total_steps),
                reporter,
                periodic,
                self.board,
                self.log,
                self.book.state,
            )
            if resumed is not None:
                reporter.newest = restore_log(resumed, self.log, self.work / BEST)
                continue_count(self.trainer, reporter.newest)
                state = resumed.state
                self.board.resume(reporter.newest, state.first_step_time, state.findings)
                watchers.insert(0, ResumeCheck(self.model, state))
        watchers.append(StopWatcher(self.stop, checkpointer, keeping.uploads if keeping else None))
        if checkpointer is not None:
            watchers.append(checkpointer)
        for watcher in watchers:
            self.trainer.add_callback(watcher)
        self.board.phase("Training")
        with _peak_memory(self.layout) as peak:
            steps = self._loop(resumed)
        if steps != self.layout.total_steps and not periodic.selection.ended:
            raise InternalError(f"training ended after {steps} of {self.layout.total_steps} steps")
        if checkpointer is not None:
            checkpointer.save(steps)
        adapter_step = periodic.finish(steps)
        for finding in told(
            periodic.selection, steps, self.layout.total_steps, evaluation.early_stopping
        ):
            self.board.finding(finding)
        return Trained(
            steps=steps,
            total_steps=self.layout.total_steps,
            adapter_step=adapter_step,
            evaluation=periodic.newest,
            rendering=rendering,
            peak_gpu_bytes=peak(),
        )

    def _loop(self, resumed: Saved | None) -> int:
        """Train to the end; returns the number of steps done in all attempts."""
        from preftrain_trainer.training.periodic import NothingLeftToTrain
        from preftrain_trainer.training.resuming import restore_finished

        if resumed is None:
            self.trainer.train()
        elif resumed.state.step == self.layout.total_steps or resumed.state.selection.ended:
            restore_finished(self.model, resumed)
            return resumed.state.step
        else:
            try:
                self.trainer.train(resume_from_checkpoint=str(resumed.folder))
            except NothingLeftToTrain:
                return resumed.state.step
        return int(self.trainer.state.global_step)


@contextmanager
def _peak_memory(layout: Fit) -> Iterator[Callable[[], int | None]]:
    import torch

    if layout.device.kind == "CPU":
        yield lambda: None
        return
    torch.cuda.reset_peak_memory_stats()
    yield lambda: int(torch.cuda.max_memory_reserved())
