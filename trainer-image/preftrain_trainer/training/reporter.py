"""Hands every logged step to the guards, the board and `metrics.jsonl`.

Imports transformers, so it must be imported after `model.loading` has imported Unsloth.
"""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from preftrain_api.report import Evaluation, Finding
from preftrain_trainer.errors import GuardStopped
from preftrain_trainer.guards.book import GuardBook
from preftrain_trainer.progress.board import ProgressBoard
from preftrain_trainer.progress.records import StepRecord


class StepReporter(TrainerCallback):
    """Hands every logged step to the guards, the board and `metrics.jsonl`.

    Attributes:
        newest: the last record, None before the first step.
        book: what the guards remember.
    """

    def __init__(self, board: ProgressBoard, log: Path, book: GuardBook) -> None:
        self.newest: StepRecord | None = None
        self.book = book
        self._board = board
        self._log = log
        self._started = time.monotonic()
        self._unwritten: list[Finding] = []
        """What evaluations brought up since the last line of the log."""
        for finding in book.findings:
            board.finding(finding)

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
        findings = self.book.record(record)
        self._write(record, findings)
        self._board.step(record)
        self._act(findings)

    def judging(
        self, evaluate: Callable[[int], Evaluation | None]
    ) -> Callable[[int], Evaluation | None]:
        """The same evaluation, of which the guards hear; it may raise GuardStopped."""

        def judged(step: int) -> Evaluation | None:
            evaluation = evaluate(step)
            if evaluation is not None:
                findings = self.book.evaluated(step, evaluation)
                self._unwritten += findings
                self._act(findings)
            return evaluation

        return judged

    def _write(self, record: StepRecord, findings: Sequence[Finding]) -> None:
        line = record.plain()
        if told := [*self._unwritten, *findings]:
            line["findings"] = [finding.plain() for finding in told]
        self._unwritten.clear()
        with self._log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def _act(self, findings: Sequence[Finding]) -> None:
        """Show what was found, and end the run where a guard says so."""
        for finding in findings:
            self._board.finding(finding)
        for finding in findings:
            if finding.severity == "Error":
                raise GuardStopped(
                    f"{finding.name}: {finding.message}; step {finding.step} was the last, and "
                    f"no adapter is published. spec.guards can give {finding.name} another "
                    "threshold, or the action Warn"
                )
