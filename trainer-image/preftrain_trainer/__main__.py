"""The command line, in a pod and on a workstation alike.

    preftrain run job.yaml     check, train and publish without a cluster
    preftrain prepare          what the first pod of a run does
    preftrain train            what the pods after it do

Only here exceptions become exit codes, termination messages and a sentence on stderr. Heavy
imports stand inside the functions, so a wrong manifest is refused in well under a second.
"""

import argparse
import logging
import os
import shutil
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from preftrain_api.exit_codes import ExitCode
from preftrain_trainer.errors import InternalError, Preempted, TrainerError
from preftrain_trainer.stop import MESSAGE, StopNow, StopRequest

if TYPE_CHECKING:
    from preftrain_api.report import Artifact, DataReport
    from preftrain_api.result import PrepareResult, TrainResult
    from preftrain_api.run_spec import RunSpec
    from preftrain_trainer.workspace import Workspace

POD_PORT: Final = 8080

_log = logging.getLogger("preftrain")
_Command = Callable[[argparse.Namespace, StopRequest, float], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    started = time.monotonic()
    stop = StopRequest()
    try:
        stop.listen()
        arguments = _parser().parse_args(argv)
        logging.basicConfig(
            stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
        )
        if not sys.stderr.isatty():
            os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        for library in ("httpx", "botocore"):  # a line a request or a client helps nobody
            logging.getLogger(library).setLevel(logging.WARNING)
        command: _Command = arguments.command
        return command(arguments, stop, started)
    except (Exception, StopNow) as error:  # noqa: BLE001 - the outermost place
        return _explain(error)[0]


def _explain(error: Exception | StopNow) -> tuple[int, str]:
    """Exit code and sentence of an error; says it on stderr too."""
    if isinstance(error, StopNow):
        error = Preempted(MESSAGE)
    if isinstance(error, TrainerError):
        code, sentence = error.exit_code, str(error)
    else:
        _log.error("unexpected error", exc_info=error)
        code = ExitCode.INTERNAL
        sentence = f"unexpected {type(error).__name__}: {error}; the log holds the traceback"
    print(f"preftrain: {sentence}", file=sys.stderr)
    return code, sentence


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="preftrain", description="Align a language model with preference data."
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and end")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="check, train and publish, without a cluster")
    run.add_argument("manifest", type=Path, help="file with a PreferenceTrainingJob")
    run.add_argument(
        "--output", type=Path, metavar="DIR", help="publish into a folder, not to spec.output.uri"
    )
    run.add_argument(
        "--check", action="store_true", help="end when output, model and data have been checked"
    )
    run.add_argument("--port", type=int, help="serve /metrics and /progress there meanwhile")
    run.set_defaults(command=_run)
    for name, command, text in (
        ("prepare", _prepare, "check and pin output, model and data; for pods"),
        ("train", _train, "train and publish; for pods"),
    ):
        stage = commands.add_parser(name, help=text)
        stage.add_argument(
            "--run-spec",
            type=Path,
            metavar="FILE",
            default=Path(os.environ.get("PREFTRAIN_RUN_SPEC", "/etc/preftrain/run.json")),
            help="what the operator mounts (default: $PREFTRAIN_RUN_SPEC)",
        )
        stage.set_defaults(command=command)
    return parser


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"preftrain {version('preftrain')}")
        parser.exit(0)


def _prepare(arguments: argparse.Namespace, stop: StopRequest, _started: float) -> int:
    from preftrain_trainer.workspace import Workspace

    workspace = Workspace.of_pod(os.environ)

    def work() -> tuple[int, "PrepareResult"]:
        from preftrain_trainer import run
        from preftrain_trainer.job_file import read_run_spec

        return ExitCode.DONE, run.verdict(
            run.prepare(read_run_spec(arguments.run_spec), workspace, stop)
        )

    def refuse(message: str, error: BaseException) -> "PrepareResult":
        from preftrain_trainer import result as report

        return report.refused(message, *_evidence(error))

    return _in_pod(work, refuse, workspace, stop)


def _train(arguments: argparse.Namespace, stop: StopRequest, started: float) -> int:
    from preftrain_trainer.progress.board import ProgressBoard
    from preftrain_trainer.workspace import Workspace

    workspace = Workspace.of_pod(os.environ)
    board = ProgressBoard(workspace.holder)
    holds_gpu = False

    def work() -> tuple[int, "TrainResult"]:
        from preftrain_trainer import run
        from preftrain_trainer.job_file import read_run_spec
        from preftrain_trainer.progress import metrics
        from preftrain_trainer.progress.terminal import ProgressPrinter

        nonlocal holds_gpu
        board.add_listener(ProgressPrinter(sys.stderr))
        told = read_run_spec(arguments.run_spec)
        holds_gpu = told.spec.compute is None or told.spec.compute.accelerator == "GPU"
        with metrics.serve(board, int(os.environ.get("PREFTRAIN_PORT", POD_PORT))):
            ending = run.train(told, workspace, board, stop, started)
        return ending.code, ending.result

    def fail(message: str, error: BaseException) -> "TrainResult":
        from preftrain_trainer import result as report

        gpu_seconds = time.monotonic() - started if holds_gpu else None
        return report.failed(message, board.snapshot(), gpu_seconds, *_evidence(error))

    return _in_pod(work, fail, workspace, stop)


def _in_pod(
    work: Callable[[], tuple[int, "PrepareResult | TrainResult"]],
    fail: Callable[[str, BaseException], "PrepareResult | TrainResult"],
    workspace: "Workspace",
    stop: StopRequest,
) -> int:
    """Do a pod's work and, whatever happens, leave the result where the kubelet reads it."""
    result: PrepareResult | TrainResult
    from preftrain_trainer import disk

    try:
        with disk.explained(workspace.work, workspace.cache):
            code, result = work()
        if result.message:
            print(f"preftrain: {result.message}", file=sys.stderr)
    except (Exception, StopNow) as error:  # noqa: BLE001 - the outermost place
        stop.settle()
        code, sentence = _explain(error)
        result = fail(sentence, error)
    if workspace.termination_log is not None:
        from preftrain_trainer.result import write_termination_message

        try:
            write_termination_message(workspace.termination_log, result)
        except OSError as error:
            _log.warning("the result cannot be left in %s: %s", workspace.termination_log, error)
    return code


def _evidence(error: BaseException) -> "tuple[DataReport | None, Artifact | None]":
    from preftrain_trainer.audit.judge import RefusedData
    from preftrain_trainer.publishing.publish import PlaceTaken

    return (
        error.report if isinstance(error, RefusedData) else None,
        error.artifact if isinstance(error, PlaceTaken) else None,
    )


def _run(arguments: argparse.Namespace, stop: StopRequest, started: float) -> int:
    from preftrain_trainer import disk
    from preftrain_trainer.job_file import read_job

    told = read_job(arguments.manifest, arguments.output)
    workspace = _workstation(arguments.manifest)
    published = False
    try:
        with disk.explained(workspace.work, workspace.cache):
            if arguments.check:
                return _check(told, workspace, stop)
            code = _train_here(told, workspace, stop, started, arguments.port)
        published = True
        return code
    finally:
        if not published and any(workspace.adapter.glob("*")):
            _log.warning("the adapter was not published; it is kept in %s", workspace.work)
        else:
            shutil.rmtree(workspace.work, ignore_errors=True)


def _workstation(manifest: Path) -> "Workspace":
    from preftrain_trainer.workspace import POD_SECRETS, POD_VOLUMES, Workspace

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
        base=manifest.absolute().parent,
        termination_log=None,
        holder=f"local-{uuid.uuid4()}",
    )


def _check(told: "RunSpec", workspace: "Workspace", stop: StopRequest) -> int:
    from preftrain_trainer import run

    result = run.verdict(run.prepare(told, workspace, stop))
    print(result.model_dump_json(by_alias=True, exclude_none=True, indent=1))
    return ExitCode.DONE


def _train_here(
    told: "RunSpec", workspace: "Workspace", stop: StopRequest, started: float, port: int | None
) -> int:
    from preftrain_trainer import run
    from preftrain_trainer.progress import metrics
    from preftrain_trainer.progress.board import ProgressBoard
    from preftrain_trainer.progress.terminal import ProgressPrinter

    board = ProgressBoard(workspace.holder)
    printer = ProgressPrinter(sys.stderr)
    board.add_listener(printer)
    try:
        with metrics.serve(board, port):
            ending = run.train(told, workspace, board, stop, started)
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


if __name__ == "__main__":
    sys.exit(main())
