"""Hooks into the training loop: what happens at each step of the library's loop.

Imports transformers, so it must be imported after `model` has imported Unsloth.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from preftrain_api.report import Evaluation, Finding
from preftrain_trainer.board import ProgressBoard
from preftrain_trainer.errors import GuardStopped, Preempted
from preftrain_trainer.guards import StepOne, non_finite, step_one_identity
from preftrain_trainer.records import StepRecord
from preftrain_trainer.stop import StopRequest


class StopWatcher(TrainerCallback):
    """Ends training at the next micro-batch once the process was asked to end."""

    def __init__(self, stop: StopRequest) -> None:
        self._stop = stop

    def on_substep_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Look inside gradient accumulation too, where a step can take long."""
        self._look(state)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Look after each step."""
        self._look(state)

    def _look(self, state: Any) -> None:
        if self._stop.requested and state.global_step < state.max_steps:
            raise Preempted(
                f"asked to end after step {state.global_step} of {state.max_steps}; this "
                "release keeps no checkpoints, so the next attempt begins at step 1"
            )


class StepReporter(TrainerCallback):
    """Hands every logged step to the guards, the board and `metrics.jsonl`.

    Attributes:
        newest: the last record, None before the first step.
    """

    def __init__(self, board: ProgressBoard, log: Path, expected: StepOne | None) -> None:
        self.newest: StepRecord | None = None
        self._board = board
        self._log = log
        self._expected = expected
        self._started = time.monotonic()

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Start the clock of the step."""
        self._started = time.monotonic()

    def on_log(
        self,
        args: Any,
        state: Any,
        control: Any,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        """Judge and show the step that was logged."""
        if not logs or "loss" not in logs:
            return  # the summary at the end
        record = StepRecord.of_log(state.global_step, logs, time.monotonic() - self._started)
        self.newest = record
        with self._log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record.plain()) + "\n")
        self._board.step(record)
        self._stop_if(non_finite(record))
        if self._expected is not None:
            self._stop_if(step_one_identity(record, self._expected))

    def _stop_if(self, finding: Finding | None) -> None:
        if finding is not None:
            self._board.finding(finding)
            raise GuardStopped(f"{finding.name}: {finding.message}")


class PeriodicEvaluation(TrainerCallback):
    """Evaluates on the held-out pairs every so many steps."""

    def __init__(self, every_steps: int, evaluate: Callable[[], Evaluation | None]) -> None:
        self._every = every_steps
        self._evaluate = evaluate

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Evaluate when it is time; the end of the run has its own evaluation."""
        if state.global_step % self._every == 0 and state.global_step < state.max_steps:
            self._evaluate()
