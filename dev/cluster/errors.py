"""What the local cluster raises.

ClusterError            one sentence for a person: what is wrong and the way out
├── BuildError         a program could not be built
├── StartError         a process did not become ready
└── ApiError            the API server answered with an error status
"""

from __future__ import annotations

from pathlib import Path


class ClusterError(Exception):
    """A failure that the command line prints as one sentence, without a traceback."""


class BuildError(ClusterError):
    """A program could not be built."""


class StartError(ClusterError):
    """A process ended, or was not ready in time; the message carries the end of its log."""

    def __init__(self, message: str, log: Path | None = None) -> None:
        super().__init__(message if log is None else f"{message}\n{tail(log)}")


class ApiError(ClusterError):
    """The API server answered with an error status.

    Attributes:
        status: HTTP status code.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def tail(log: Path, lines: int = 15) -> str:
    """The end of a log file, headed by its path."""
    try:
        text = log.read_text(errors="replace")
    except FileNotFoundError:
        return f"(no log at {log})"
    return "\n".join([f"--- end of {log}:", *text.splitlines()[-lines:]])
