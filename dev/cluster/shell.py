"""Runs other programs to their end and turns their failure into one sentence."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence

from cluster.errors import ClusterError
from cluster.report import Heartbeat

_POLL_SECONDS = 0.2


def run(command: Sequence[str], *, text: str | None = None, timeout_seconds: float = 60) -> str:
    """Run a command; its standard output.

    Args:
        command: program and arguments.
        text: given to it as standard input.
        timeout_seconds: after which it is killed.

    Raises:
        ClusterError: it is missing, failed, or took too long.
    """
    try:
        ended = subprocess.run(
            command,
            input=text,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )
    except FileNotFoundError:
        raise ClusterError(f"the command {command[0]} is missing") from None
    except subprocess.TimeoutExpired:
        raise ClusterError(f"{' '.join(command)}: no end after {timeout_seconds:.0f} s") from None
    if ended.returncode != 0:
        raise ClusterError(f"{' '.join(command)}: {(ended.stderr or ended.stdout).strip()[-800:]}")
    return ended.stdout


def succeeds(command: Sequence[str], timeout_seconds: float = 10) -> bool:
    """Whether a command is there and ends with status 0 in time."""
    try:
        ended = subprocess.run(command, capture_output=True, timeout=timeout_seconds, check=False)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return False
    return ended.returncode == 0


def attend(command: Sequence[str], what: str, *, show: bool = True) -> bool:
    """Run a command that takes minutes, with a line of progress every few seconds.

    Args:
        command: program and arguments.
        what: what goes on, for the line of progress.
        show: whether its own words reach the terminal.

    Returns:
        Whether it ended with status 0.
    """
    sink = sys.stderr if show else subprocess.DEVNULL
    heartbeat = Heartbeat(what)
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink) as running:
        while running.poll() is None:
            heartbeat.beat()
            time.sleep(_POLL_SECONDS)
    return running.returncode == 0
