"""Writes the state of training into a folder and hands it over to be uploaded.

Imports transformers, so it must be imported after `model.loading` has imported Unsloth.
"""

import errno
import os
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

from transformers import TrainerCallback

from preftrain_trainer.checkpoint.keeping import Keeping, not_saved
from preftrain_trainer.checkpoint.rhythm import Rhythm
from preftrain_trainer.checkpoint.state import (
    ADAPTER,
    BEST_ADAPTER,
    EVALUATIONS,
    STEPS,
    ResumeState,
)
from preftrain_trainer.checkpoint.uploads import Written
from preftrain_trainer.fit.layout import Fit
from preftrain_trainer.model.adapter import save_adapter
from preftrain_trainer.model.loading import LoadedModel
from preftrain_trainer.progress.board import ProgressBoard
from preftrain_trainer.training.periodic import PeriodicEvaluation
from preftrain_trainer.training.reporter import StepReporter

TRAINER_STATE: Final = "trainer_state.json"
_COPIES: Final = 4
"""Weights, two moments of the optimizer, and the best adapter: what is written at most, in
multiples of the adapter in 32 bits."""
_SLACK_BYTES: Final = 16 * 1024 * 1024


class Checkpointer(TrainerCallback):
    """Saves the end of a step: now and then by itself, and whenever it is told to.

    Attributes:
        step: the newest step that was to be written, or that the run went on from.
    """

    def __init__(
        self,
        trainer: Any,
        model: LoadedModel,
        layout: Fit,
        keeping: Keeping,
        rhythm: Rhythm,
        reporter: StepReporter,
        periodic: PeriodicEvaluation,
        board: ProgressBoard,
        log: Path,
        guard_state: Callable[[], dict[str, Any]],
    ) -> None:
        self.step = keeping.attempt.start_step
        self._trainer = trainer
        self._model = model
        self._layout = layout
        self._keeping = keeping
        self._rhythm = rhythm
        self._reporter = reporter
        self._periodic = periodic
        self._board = board
        self._log = log
        self._guard_state = guard_state
        self._saved_at = time.monotonic()

    def on_log(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Save when it is time; the last step is saved once training has ended."""
        self._keeping.uploads.check()
        step = state.global_step
        since = time.monotonic() - self._saved_at
        if step < state.max_steps and self._rhythm.is_due(step - self.step, since):
            self.save(step)

    def save(self, step: int) -> None:
        """Write the state of the end of `step`, which the process is at; upload it meanwhile.

        A full disk is told and costs only this checkpoint. What is safe is not written again.
        """
        if self._keeping.uploads.has(step):
            return
        folder = self._keeping.folder / f"step-{step}"
        try:
            self._require_room()
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            self._write(folder, step)
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            self._board.finding(not_saved(step, f"{folder}: {error.strerror or error}"))
        else:
            self._keeping.uploads.submit(Written(step, folder, self._description(step)))
        self.step, self._saved_at = step, time.monotonic()

    def _write(self, folder: Path, step: int) -> None:
        trainer, selection = self._trainer, self._periodic.selection
        save_adapter(self._model, folder / ADAPTER)
        trainer._save_optimizer_and_scheduler(str(folder))
        trainer._save_scaler(str(folder))
        trainer._save_rng_state(str(folder))
        # The figures of all steps are in a log of our own; theirs would only grow.
        trainer.state.log_history.clear()
        trainer.state.save_to_json(str(folder / TRAINER_STATE))
        shutil.copyfile(self._log, folder / STEPS)
        if (evaluations := self._log.with_name(EVALUATIONS)).is_file():
            shutil.copyfile(evaluations, folder / EVALUATIONS)
        if selection.best_step not in (None, step):
            os.link(self._periodic.best, folder / BEST_ADAPTER)

    def _description(self, step: int) -> "partial[ResumeState]":
        newest = self._reporter.newest
        if newest is None:
            raise ValueError("nothing was trained yet")
        attempt, now = self._keeping.attempt, time.monotonic()
        return partial(
            ResumeState,
            key=attempt.key,
            step=step,
            total_steps=self._layout.total_steps,
            examples=step * self._layout.batch_size,
            last_record=newest.plain(),
            guard_state=self._guard_state(),
            selection=self._periodic.selection,
            findings=self._board.snapshot().findings,
            first_step_time=self._board.snapshot().first_step_time,
            attempts=attempt.records(step, now),
            tokens=newest.tokens,
            gpu_seconds=attempt.gpu_seconds(now),
            versions=attempt.versions,
            environment=attempt.environment,
        )

    def _require_room(self) -> None:
        self._keeping.folder.mkdir(parents=True, exist_ok=True)
        needed = _COPIES * 4 * self._model.trainable + _SLACK_BYTES
        if shutil.disk_usage(self._keeping.folder).free < needed:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
