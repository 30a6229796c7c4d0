"""The request to end, as SIGTERM brings it: to a pod that is preempted, suspended or deleted.

Between stages the signal raises `StopNow` at once. Where work must first be brought to a
safe point (inside training, between two uploads), `deferred` holds it back and the code there
asks `requested` or calls `check`.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from preftrain_trainer.errors import Preempted

MESSAGE = "asked to end before the run was complete; it goes on with the next attempt"


class StopNow(BaseException):
    """Ends a stage from wherever it is; `__main__` reports it as `Preempted`.

    No `Exception`, because client libraries catch those and try again.
    """


class StopRequest:
    """Whether this process was asked to end; set from a signal handler, read anywhere."""

    def __init__(self) -> None:
        self.requested = False
        self._deferrals = 0

    def listen(self) -> None:
        """Take over SIGTERM and SIGINT; to be called from the main thread."""
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)

    def request(self) -> None:
        """Ask for the end, as a signal would, without interrupting the caller."""
        self.requested = True

    def settle(self) -> None:
        """Let later requests change nothing: the run is decided and only says so."""
        self._deferrals += 1

    def check(self) -> None:
        """Go on only when nobody asked for the end.

        Libraries may swallow what the signal raised inside them, so stages call this when they
        come back from one.

        Raises:
            Preempted: the end was asked for.
        """
        if self.requested:
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
        self.requested = True
        if not self._deferrals:
            raise StopNow
