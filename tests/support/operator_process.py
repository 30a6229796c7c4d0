"""The operator as a process, to be killed like one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Protocol

from support.waiting import eventually

ROOT = Path(__file__).parents[2]
USER_AGENT = "preftrain-operator/"


class Process(Protocol):
    """What is used of `subprocess.Popen`."""

    @property
    def pid(self) -> int:
        """Process number."""

    def poll(self) -> int | None:
        """Exit status, negative for a signal; None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end; the exit status."""

    def kill(self) -> None:
        """SIGKILL."""

    def terminate(self) -> None:
        """SIGTERM."""


class OperatorProcess:
    """`python -m preftrain_operator` for one namespace.

    Args:
        kubeconfig: of a user who may do everything.
        namespace: the only one that is watched.
        log: takes the operator's log.
        settings: further PREFTRAIN_* variables, without the prefix.
    """

    def __init__(
        self, kubeconfig: Path, namespace: str, log: Path, settings: dict[str, str] | None = None
    ) -> None:
        self._log = log
        chosen = {
            "NAMESPACES": namespace,
            "PREPARE_IMAGE": "preftrain/prepare:test",
            "TRAINER_IMAGE": "preftrain/trainer:test",
            "METRICS_PORT": "0",
            "PROBE_PORT": "0",
            "LOG_FORMAT": "text",
            "PROGRESS_SECONDS": "1",
            **(settings or {}),
        }
        self._environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("PREFTRAIN_")},
            **{f"PREFTRAIN_{key}": value for key, value in chosen.items()},
            "KUBECONFIG": str(kubeconfig),
            "PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in ("operator", "tests")),
        }
        self._process: Process | None = None

    def start(self) -> None:
        """Start it and wait until its caches are filled."""
        seen = len(self.log())
        self.launch()
        eventually(lambda: "started with" in self.log()[seen:], "the operator has started", 90)

    def launch(self) -> None:
        """Start it and do not wait."""
        self._process = self._launched(self._environment, self._log)

    @property
    def pid(self) -> int | None:
        """Process number; None before the start and after the end that was asked for."""
        return None if self._process is None else self._process.pid

    def has_died(self) -> bool:
        """Whether it has ended by itself."""
        return self._process is not None and self._process.poll() is not None

    def kill(self) -> None:
        """End it by SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> int:
        """End it by SIGTERM; its exit status."""
        if self._process is None:
            return 0
        self._process.terminate()
        status = self._process.wait(timeout=30)
        self._process = None
        return status

    def cpu_seconds(self) -> float:
        """CPU time that the running process has used."""
        if self._process is None:
            return 0.0
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _launched(self, environment: dict[str, str], log: Path) -> Process:
        with log.open("ab") as output:
            command = [sys.executable, "-m", "preftrain_operator"]
            return subprocess.Popen(command, env=environment, stderr=output, stdout=output)

    def log(self) -> str:
        """All it has logged."""
        return self._log.read_text() if self._log.exists() else ""
