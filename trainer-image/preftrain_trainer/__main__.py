"""The command line, in a pod and on a workstation alike.

    preftrain run job.yaml     check, train and publish without a cluster
    preftrain audit DATA       judge data, on a laptop or before a run
    preftrain advise DATA      which method suits them, and why
    preftrain prepare          what the first pod of a run does
    preftrain train            what the pods after it do

Only here exceptions become exit codes and a sentence on stderr. Heavy imports stand inside the
commands' methods, so a wrong manifest is refused in well under a second.
"""

import argparse
import logging
import os
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from preftrain_api.exit_codes import ExitCode
from preftrain_trainer.errors import Preempted, TrainerError
from preftrain_trainer.stop import MESSAGE, StopNow, StopRequest
from preftrain_trainer.visible import visible

if TYPE_CHECKING:
    from preftrain_trainer.commands.command import Command

_log = logging.getLogger("preftrain")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    started = time.monotonic()
    stop = StopRequest()
    command: Command | None = None
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
        command = arguments.command(arguments, stop, started)
        code = command.run()
        stop.settle()
        return code
    except (Exception, StopNow) as error:  # noqa: BLE001 - the outermost place
        stop.settle()
        code, sentence = _explain(error)
        if command is not None:
            command.failed(sentence, error)
        return code


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
    # Names and values of others may hold what no JSON can, or what a terminal obeys.
    sentence = visible(sentence.encode(errors="backslashreplace").decode())
    print(f"preftrain: {sentence}", file=sys.stderr)
    return code, sentence


def _parser() -> argparse.ArgumentParser:
    # Half a second of imports, during which a pod can be asked to end already.
    from preftrain_trainer.commands import advise, audit, pod, workstation

    parser = argparse.ArgumentParser(
        prog="preftrain", description="Align a language model with preference data."
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and end")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command, add_arguments, text in (
        ("run", workstation.Run, workstation.add_arguments, "check, train and publish"),
        ("audit", audit.Audit, audit.add_arguments, "judge data as prepare would"),
        ("advise", advise.Advise, advise.add_arguments, "say which method suits the data"),
        ("prepare", pod.Prepare, pod.add_arguments, "check and pin output, model, data; for pods"),
        ("train", pod.Train, pod.add_arguments, "train and publish; for pods"),
    ):
        added = commands.add_parser(name, help=text)
        add_arguments(added)
        added.set_defaults(command=command)
    return parser


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"preftrain {version('preftrain')}")
        parser.exit(0)


if __name__ == "__main__":
    sys.exit(main())
