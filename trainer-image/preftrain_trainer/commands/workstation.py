"""`preftrain run`: a whole run, or its checks alone, without a cluster."""

import argparse
import logging
import os
import shutil
import sys
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from preftrain_api.exit_codes import ExitCode
from preftrain_trainer.commands.command import Command
from preftrain_trainer.errors import InternalError
from preftrain_trainer.workspace import POD_SECRETS, POD_VOLUMES, Workspace

if TYPE_CHECKING:
    from preftrain_api.run_spec import RunSpec

_log = logging.getLogger("preftrain")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What it takes."""
    parser.add_argument("manifest", type=Path, help="file with a PreferenceTrainingJob")
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="publish into a folder, not to spec.output.uri"
    )
    parser.add_argument(
        "--check", action="store_true", help="end when output, model and data have been checked"
    )
    parser.add_argument("--port", type=int, help="serve /metrics and /progress there meanwhile")


class Run(Command):
    """Check, train and publish."""

    def run(self) -> int:
        """Keep the adapter where it could not be published."""
        from preftrain_trainer import disk
        from preftrain_trainer.job_file import read_job

        told = read_job(self.arguments.manifest, self.arguments.output)
        workspace = on_workstation(self.arguments.manifest.absolute().parent)
        published = False
        try:
            with disk.explained(workspace.work, workspace.cache):
                if self.arguments.check:
                    return self._check(told, workspace)
                code = self._train(told, workspace)
            published = True
            return code
        finally:
            if not published and any(workspace.adapter.glob("*")):
                _log.warning("the adapter was not published; it is kept in %s", workspace.work)
            else:
                shutil.rmtree(workspace.work, ignore_errors=True)

    def _check(self, told: "RunSpec", workspace: Workspace) -> int:
        from preftrain_trainer import prepare

        result = prepare.verdict(prepare.prepare(told, workspace, self.stop))
        print(result.model_dump_json(by_alias=True, exclude_none=True, indent=1))
        return ExitCode.DONE

    def _train(self, told: "RunSpec", workspace: Workspace) -> int:
        from preftrain_trainer import run
        from preftrain_trainer.progress import metrics
        from preftrain_trainer.progress.board import ProgressBoard
        from preftrain_trainer.progress.terminal import ProgressPrinter

        board = ProgressBoard(workspace.holder)
        printer = ProgressPrinter(sys.stderr)
        board.add_listener(printer)
        try:
            with metrics.serve(board, self.arguments.port):
                ending = run.train(told, workspace, board, self.stop, self.started)
        finally:
            printer.close()
        result = ending.result
        if result.message:
            print(f"preftrain: {result.message}", file=sys.stderr)
        if result.evaluation is not None:
            print(
                f"held-out reward accuracy {result.evaluation.reward_accuracy:.3f} "
                f"(95 % interval {result.evaluation.accuracy_low:.3f} to "
                f"{result.evaluation.accuracy_high:.3f}, {result.evaluation.pairs} pairs)"
            )
        if result.artifact is not None:
            print(result.artifact.uri)
        return ending.code


def on_workstation(base: Path) -> Workspace:
    """The folders of a run on this machine; relative `file://` paths are relative to `base`.

    Raises:
        InternalError: the cache cannot be written.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "preftrain"
    runs = cache / "runs"
    try:
        runs.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix="run-", dir=runs))
    except OSError as error:
        raise InternalError(
            f"{runs} cannot be written: {error.strerror}; name a folder that you may write to in "
            "XDG_CACHE_HOME"
        ) from error
    return Workspace(
        work=work,
        cache=cache,
        secrets=Path(os.environ.get("PREFTRAIN_SECRETS_DIR", str(POD_SECRETS))),
        volumes=Path(os.environ.get("PREFTRAIN_VOLUMES_DIR", str(POD_VOLUMES))),
        base=base,
        termination_log=None,
        holder=f"local-{uuid.uuid4()}",
    )
