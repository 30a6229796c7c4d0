"""`preftrain prepare` and `preftrain train`: what the pods of a run do.

Whatever happens, a result is left where the kubelet reads it.
"""

import argparse
import logging
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from preftrain_api.exit_codes import ExitCode
from preftrain_trainer.commands.command import Command
from preftrain_trainer.progress.board import ProgressBoard
from preftrain_trainer.stop import StopRequest
from preftrain_trainer.workspace import Workspace

if TYPE_CHECKING:
    from preftrain_api.report import Artifact, DataReport
    from preftrain_api.result import PrepareResult, TrainResult

POD_PORT: Final = 8080

_log = logging.getLogger("preftrain")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What both take."""
    parser.add_argument(
        "--run-spec",
        type=Path,
        metavar="FILE",
        default=Path(os.environ.get("PREFTRAIN_RUN_SPEC", "/etc/preftrain/run.json")),
        help="what the operator mounts (default: $PREFTRAIN_RUN_SPEC)",
    )


class _PodCommand(Command):
    def __init__(self, arguments: argparse.Namespace, stop: StopRequest, started: float) -> None:
        super().__init__(arguments, stop, started)
        self.workspace = Workspace.of_pod(os.environ)

    def leave(self, result: "PrepareResult | TrainResult") -> None:
        """Write the termination message."""
        from preftrain_trainer.result import write_termination_message

        path = self.workspace.termination_log
        if path is None:
            return
        try:
            write_termination_message(path, result)
        except OSError as error:
            _log.warning("the result cannot be left in %s: %s", path, error)


class Prepare(_PodCommand):
    """Check and pin output, model and data."""

    def run(self) -> int:
        """End with a verdict."""
        from preftrain_trainer import disk, prepare
        from preftrain_trainer.job_file import read_run_spec

        told = read_run_spec(self.arguments.run_spec)
        with disk.explained(self.workspace.work, self.workspace.cache):
            result = prepare.verdict(prepare.prepare(told, self.workspace, self.stop))
        _say(result.message)
        self.leave(result)
        return ExitCode.DONE

    def failed(self, sentence: str, error: BaseException) -> None:
        """Leave the refusal, with the data report where there is one."""
        from preftrain_trainer import result

        self.leave(result.refused(sentence, *_evidence(error)))


class Train(_PodCommand):
    """Train and publish."""

    def __init__(self, arguments: argparse.Namespace, stop: StopRequest, started: float) -> None:
        super().__init__(arguments, stop, started)
        self._board = ProgressBoard(self.workspace.holder)
        self._holds_gpu = False

    def run(self) -> int:
        """End with the attempt's result."""
        from preftrain_trainer import disk, run
        from preftrain_trainer.job_file import read_run_spec
        from preftrain_trainer.progress import metrics
        from preftrain_trainer.progress.terminal import ProgressPrinter

        self._board.add_listener(ProgressPrinter(sys.stderr))
        told = read_run_spec(self.arguments.run_spec)
        self._holds_gpu = told.spec.compute is None or told.spec.compute.accelerator == "GPU"
        port = int(os.environ.get("PREFTRAIN_PORT", POD_PORT))
        full = disk.explained(self.workspace.work, self.workspace.cache)
        with metrics.serve(self._board, port), full:
            ending = run.train(told, self.workspace, self._board, self.stop, self.started)
        _say(ending.result.message)
        self.leave(ending.result)
        return ending.code

    def failed(self, sentence: str, error: BaseException) -> None:
        """Leave how far the attempt came."""
        from preftrain_trainer import result

        seconds = time.monotonic() - self.started if self._holds_gpu else None
        progress = self._board.snapshot()
        start_step = self._board.start_step
        self.leave(result.failed(sentence, progress, start_step, seconds, *_evidence(error)))


def _say(message: str) -> None:
    if message:
        print(f"preftrain: {message}", file=sys.stderr)


def _evidence(error: BaseException) -> "tuple[DataReport | None, Artifact | None]":
    from preftrain_trainer.audit.judge import RefusedData, RefusedTemplate
    from preftrain_trainer.publishing.publish import PlaceTaken

    return (
        error.report.summary() if isinstance(error, RefusedData | RefusedTemplate) else None,
        error.artifact if isinstance(error, PlaceTaken) else None,
    )
