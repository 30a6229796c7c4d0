"""Hands every logged step to the guards, the board and `metrics.jsonl`.

Imports transformers, so it must be imported after `model.loading` has imported Unsloth.
"""

import json
import time
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from preftrain_api.report import Finding
from preftrain_trainer.errors import GuardStopped
from preftrain_trainer.guards.identity import StepOne, non_finite, step_one_identity
from preftrain_trainer.progress.board import ProgressBoard
from preftrain_trainer.progress.records import StepRecord


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
