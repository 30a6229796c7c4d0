"""Waits for a condition with a deadline, so that no test sleeps for a guessed time."""

from __future__ import annotations

import time
from collections.abc import Callable


def eventually(condition: Callable[[], object], what: str, timeout_seconds: float = 30.0) -> None:
    """Poll until the condition is true, ever less often: most waits end soon, and those that do
    not should leave the machine to what is waited for.

    Raises:
        AssertionError: it was not within the time; the message names what was waited for.
    """
    deadline = time.monotonic() + timeout_seconds
    pause = 0.02
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_seconds:.0f} s: {what}")
        time.sleep(pause)
        pause = min(0.2, pause * 1.4)
