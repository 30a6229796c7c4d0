"""A process that has the training libraries loaded and forks a real trainer whenever asked.

Importing them takes half a minute, a fork none of it, so a test can afford to kill trainers by
the dozen. A forked trainer runs the command line as a pod does, with files, signals and exit codes
of its own.
"""

import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.dialogue import Dialogue, answer_questions


class TrainerZygote:
    """The parent's end."""

    def __init__(self, cache: Path, log: Path) -> None:
        self._dialogue = Dialogue("support.trainer_zygote", str(cache), log=log)

    def start(
        self,
        arguments: list[str],
        *,
        env: dict[str, str],
        log: Path,
        moment: dict[str, Any] | None = None,
    ) -> int:
        """Run one command line in a fork; returns its process id.

        Args:
            arguments: of the command line.
            env: what is added to the environment.
            log: takes what it prints.
            moment: when it is to strike itself: the fields of a `support.moments.Moment`.
        """
        return self._ask({"arguments": arguments, "env": env, "log": str(log), "moment": moment})

    def wait(self, pid: int) -> int:
        """Its exit code, or minus the number of the signal that ended it."""
        return self._ask({"wait": pid})

    def close(self) -> None:
        """End the process."""
        self._dialogue.close()

    def _ask(self, request: dict[str, Any]) -> int:
        return int(self._dialogue.ask(request))


def _load() -> Callable[[dict[str, Any]], int]:
    from preftrain_trainer.fit.device import Device
    from preftrain_trainer.fit.layout import fit
    from preftrain_trainer.model import loading
    from support.specs import resolved_spec

    device = Device("CPU", "test", bf16=False)
    loading.prepare_environment(device, Path(sys.argv[1]))
    loading._import_unsloth(fit(resolved_spec(), 8, device))
    from trl import DPOTrainer, KTOTrainer  # noqa: F401

    from preftrain_trainer import run  # noqa: F401
    from preftrain_trainer.model import adapter  # noqa: F401
    from preftrain_trainer.training import periodic, reporter, saving, stopping, train  # noqa: F401

    threads = len(list(Path("/proc/self/task").iterdir()))
    sys.stderr.write(f"the zygote is ready, with {threads} threads\n")
    return _answer


def _answer(request: dict[str, Any]) -> int:
    """The process id of a trainer that was forked, or how one that is waited for has ended."""
    if "wait" in request:
        return os.waitstatus_to_exitcode(os.waitpid(request["wait"], 0)[1])
    pid = os.fork()
    if pid == 0:
        os._exit(_play(request))
    return pid


def _play(request: dict[str, Any]) -> int:
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ |= request["env"]
    # What libraries made of the log while they were loaded; a trainer begins with its own.
    logging.getLogger().handlers.clear()
    # Of the zygote's own; a trainer sets them itself.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    from preftrain_trainer.__main__ import main as command_line
    from support.moments import Moment, install

    if request["moment"] is not None:
        install(Moment(**request["moment"]))
    code = command_line(request["arguments"])
    sys.stdout.flush()
    sys.stderr.flush()
    return code


if __name__ == "__main__":
    answer_questions(_load)
