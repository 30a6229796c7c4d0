"""Starts operators without importing kopf and the Kubernetes client for each: one process has
imported them and forks. A start then costs a third of the CPU time.

Each operator is a process of its own and runs the operator's own `main`.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from support.operator_process import OperatorProcess, Process
from support.waiting import eventually

ROOT = Path(__file__).parents[2]
_RUNNING = "running"


class ForkServer:
    """The process that forks. It ends with this one and takes the operators along."""

    def __init__(self) -> None:
        path = os.pathsep.join(str(ROOT / part) for part in ("operator", "tests"))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "support.operator_forkserver"],
            env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._one_at_a_time = threading.Lock()
        atexit.register(self._process.communicate)

    def fork(self, environment: dict[str, str], log: Path) -> ForkedProcess:
        """Start an operator."""
        return ForkedProcess(self, int(self._ask({"environment": environment, "log": str(log)})))

    def status(self, pid: int) -> int | None:
        """An operator's exit status, negative for a signal; None while it runs."""
        answer = self._ask({"pid": pid})
        return None if answer == _RUNNING else int(answer)

    def _ask(self, question: dict[str, object]) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._one_at_a_time:
            self._process.stdin.write(json.dumps(question).encode() + b"\n")
            self._process.stdin.flush()
            return self._process.stdout.readline().decode().strip()


@dataclass(frozen=True, slots=True)
class ForkedProcess:
    """An operator; see `operator_process.Process`."""

    server: ForkServer
    pid: int

    def poll(self) -> int | None:
        """See `Process`."""
        return self.server.status(self.pid)

    def wait(self, timeout: float | None = None) -> int:
        """See `Process`."""
        eventually(lambda: self.poll() is not None, "the operator has ended", timeout or 30)
        return self.poll() or 0

    def kill(self) -> None:
        """See `Process`."""
        self._send(signal.SIGKILL)

    def terminate(self) -> None:
        """See `Process`."""
        self._send(signal.SIGTERM)

    def _send(self, number: signal.Signals) -> None:
        # A process that has ended keeps its number until `poll` has told so.
        if self.poll() is None:
            os.kill(self.pid, number)


class ForkedOperator(OperatorProcess):
    """An operator that starts fast."""

    def crash(self) -> None:
        """End it by SIGKILL and leave it to be found dead."""
        if self.pid is not None:
            os.kill(self.pid, signal.SIGKILL)

    def _launched(self, environment: dict[str, str], log: Path) -> Process:
        return fork_server().fork(environment, log)


@functools.cache
def fork_server() -> ForkServer:
    """The one of this process."""
    return ForkServer()


def serve() -> None:
    """Answer questions until there are no more, then end every operator."""
    from kubernetes.aio.config import kube_config

    from preftrain_operator.__main__ import main

    ended: dict[int, int | None] = {}
    for line in sys.stdin:
        question = json.loads(line)
        if "pid" in question:
            pid = question["pid"]
            if ended[pid] is None:
                gone, status = os.waitpid(pid, os.WNOHANG)
                ended[pid] = os.waitstatus_to_exitcode(status) if gone else None
            answer = _RUNNING if ended[pid] is None else str(ended[pid])
        else:
            pid = os.fork()
            if pid == 0:
                _become_operator(question["environment"], question["log"])
                # The client reads this variable when it is imported.
                kube_config.KUBE_CONFIG_DEFAULT_LOCATION = os.environ["KUBECONFIG"]
                os._exit(main())
            ended[pid] = None
            answer = str(pid)
        sys.stdout.write(answer + "\n")
        sys.stdout.flush()
    for pid in (pid for pid, status in ended.items() if status is None):
        os.kill(pid, signal.SIGKILL)


def _become_operator(environment: dict[str, str], log: str) -> None:
    os.environ.clear()
    os.environ.update(environment)
    nothing = os.open(os.devnull, os.O_RDONLY)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)


if __name__ == "__main__":
    serve()
