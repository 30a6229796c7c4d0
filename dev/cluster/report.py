"""Lines of progress for a person: one at once, then one at least every ten seconds.

Standard error takes them, so that standard output holds results that scripts can read.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

INTERVAL_SECONDS = 8.0
"""Below ten, so that a poll that comes a little late still keeps the promise."""


def say(line: str) -> None:
    """Print one line of progress."""
    print(line, file=sys.stderr, flush=True)


class Heartbeat:
    """Says that something still goes on, no more often than every eight seconds.

    Args:
        what: what is waited for, the beginning of each line.
        clock: seconds, monotonic.
    """

    def __init__(self, what: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._what = what
        self._clock = clock
        self._began = self._said = clock()

    def beat(self, detail: str = "") -> None:
        """Print a line if the last one is old enough."""
        now = self._clock()
        if now - self._said >= INTERVAL_SECONDS:
            self._said = now
            say(f"{self._what}: {self.seconds():.0f} s{', ' + detail if detail else ''}")

    def seconds(self) -> float:
        """Seconds since the wait began."""
        return self._clock() - self._began


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Say every eight seconds that `what` still goes on, while the block runs."""
    heartbeat, done = Heartbeat(what), threading.Event()

    def beat() -> None:
        while not done.wait(1):
            heartbeat.beat()

    teller = threading.Thread(target=beat, daemon=True)
    teller.start()
    try:
        yield
    finally:
        done.set()
        teller.join()
