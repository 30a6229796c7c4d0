"""Runs the programs that build: what they say goes to a log, what a person needs to the screen."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from cluster.errors import BuildError, tail
from cluster.report import Heartbeat

_POLL_SECONDS = 0.2
_SHOWN_CHARACTERS = 70


def run_logged(
    command: Sequence[str],
    log: Path,
    heartbeat: Heartbeat,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> None:
    """Run a command to its end; lines of progress carry the end of what it says.

    Raises:
        BuildError: it failed; the message ends with its log.
    """
    with log.open("ab") as sink:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            env=os.environ | dict(environment or {}),
            cwd=folder,
        )
        try:
            while process.poll() is None:
                heartbeat.beat(_last_line(log))
                time.sleep(_POLL_SECONDS)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
    if process.returncode != 0:
        raise BuildError(
            f"{command[0]} ended with status {process.returncode}\n{tail(log, lines=20)}"
        )


def _last_line(log: Path) -> str:
    with log.open("rb") as source:
        source.seek(max(0, log.stat().st_size - 2000))
        lines = source.read().decode(errors="replace").split("\n")
    said = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return said[:_SHOWN_CHARACTERS]
