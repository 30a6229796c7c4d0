"""The request to end, as SIGTERM brings it: to a pod that is preempted, suspended or deleted.

Between stages the signal raises `StopNow` at once. Where work must first be brought to a
safe point (inside training, between two uploads), `deferred` holds it back and the code there
asks `requested` or calls `check`. Once little is left to do, `let_finish` lets it be done in the
time that the process is given; when that is nearly up, `StopNow` is raised after all, wherever the
process is, because a store may be silent for longer than a pod is given to end.
"""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from types import FrameType
from typing import Final

from preftrain_trainer.errors import Preempted

MESSAGE = "asked to end before the run was complete; it goes on with the next attempt"

DEFAULT_GRACE_SECONDS: Final = 120
"""terminationGracePeriodSeconds where nothing is said."""
_RESERVED_SECONDS: Final = 15
"""Kept for the interpreter to end and the result to be left."""
_AGAIN_SECONDS: Final = 5
"""Until `StopNow` is raised once more, when even giving up hangs."""


class StopNow(BaseException):
    """Ends a stage from wherever it is; `__main__` reports it as `Preempted`.

    No `Exception`, because client libraries catch those and try again.
    """


class StopRequest:
    """Whether this process was asked to end; set from a signal handler, read anywhere.

    Attributes:
        requested: whether it was.
        grace_seconds: how long after that it is killed.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.requested = False
        self.grace_seconds: float = DEFAULT_GRACE_SECONDS
        self._now = now
        self._requested_at = inf
        self._deferrals = 0
        self._finishing = False
        self._settled = False

    def listen(self) -> None:
        """Take over SIGTERM and SIGINT, and SIGALRM for the end of the time; to be called from
        the main thread.
        """
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)
        signal.signal(signal.SIGALRM, self._on_alarm)

    def request(self) -> None:
        """Ask for the end, as a signal would, without interrupting the caller."""
        if not self.requested:
            self._requested_at = self._now()
            self.requested = True

    def settle(self) -> None:
        """Let later requests change nothing: the run is decided and only says so."""
        self._settled = True

    def let_finish(self) -> None:
        """From here on so little is left that a request waits for it, while there is time."""
        self._finishing = True

    def seconds_left(self) -> float:
        """Time in which work must be done once the end was asked for; infinite before."""
        if not self.requested:
            return inf
        usable = max(self.grace_seconds - _RESERVED_SECONDS, self.grace_seconds / 2)
        return max(0.0, self._requested_at + usable - self._now())

    def check(self) -> None:
        """Go on only when nobody asked for the end, or while there is time to finish.

        Libraries may swallow what the signal raised inside them, so stages call this when they
        come back from one.

        Raises:
            Preempted: the end was asked for.
        """
        if self.requested and not (self._finishing and self.seconds_left() > 0):
            raise Preempted(MESSAGE)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Let a request only be noted while the block runs."""
        self._deferrals += 1
        try:
            yield
        finally:
            self._deferrals -= 1

    def _on_signal(self, _signal: int, _frame: FrameType | None) -> None:
        self.request()
        if self._settled:
            return
        if self._finishing:
            signal.setitimer(signal.ITIMER_REAL, self.seconds_left() or 0.001, _AGAIN_SECONDS)
        elif not self._deferrals:
            raise StopNow

    def _on_alarm(self, _signal: int, _frame: FrameType | None) -> None:
        """The time is nearly up; what was deferred is given up too, for the next attempt."""
        if not self._settled:
            raise StopNow
