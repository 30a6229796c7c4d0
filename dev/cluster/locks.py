"""Locks between processes, so that two test runs or two terminals do not work twice."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cluster.report import Heartbeat

_POLL_SECONDS = 0.2


@contextmanager
def file_lock(
    path: Path, what: str, *, unless: Callable[[], bool] = lambda: False
) -> Iterator[bool]:
    """Hold an exclusive lock; while another process holds it, say so every few seconds.

    The kernel frees the lock when the holder dies, so no stale lock can be left behind.

    Args:
        path: the lock file, made when missing and never removed.
        what: what the other process works on, for the line of progress.
        unless: asked while waiting; once true the lock is no longer wanted.

    Yields:
        Whether the lock is held; False once `unless` was true.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    waiting = Heartbeat(f"waiting for another process to finish {what}")
    with path.open("a") as handle:
        held = False
        while not held and not unless():
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                held = True
            except BlockingIOError:
                waiting.beat()
                time.sleep(_POLL_SECONDS)
        yield held
