"""How long a place is tried again, and with which pauses.

Blips are the client library's affair: it repeats a request at once, a few times. Outages are
met here: the whole operation is repeated until it has been failing for as long as its
`Patience` allows. What cannot pass (a missing bucket, a refused condition) ends at once; a
denial is tried once more with fresh credentials.
"""

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeVar

_log = logging.getLogger("preftrain")
_Result = TypeVar("_Result")

Verdict = Literal["Passing", "Denied", "Final"]
"""What a failure is: worth another try, worth one with fresh credentials, or the answer."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for a place.

    Attributes:
        attempts: requests that the client library makes in quick succession.
        read_seconds: silence after which a request counts as lost.
        outage_seconds: how long an operation may have been failing before it is given up.
    """

    attempts: int
    read_seconds: float
    outage_seconds: float


QUICK: Final = Patience(attempts=2, read_seconds=4, outage_seconds=3)
"""For the first look at a place: a job that cannot reach its storage has to say so within 20 s
of its start. Two silent requests and the pause between them take 9 s."""

PATIENT: Final = Patience(attempts=3, read_seconds=60, outage_seconds=600)
"""For results: hours of training wait to be saved. A store's failover takes minutes, and the
kubelet needs up to two to bring a rotated Secret; a longer outage is for the next attempt."""

CONNECT_SECONDS: Final = 4

_FIRST_PAUSE_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 30.0


def pause_seconds(failures: int, chance: float) -> float:
    """The pause after that many failures: exponential, with full jitter.

    M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015: of the schemes
    compared there full jitter needs the fewest calls. `chance` is uniform in [0, 1).
    """
    # 2**16 is far above the longest pause already; an outage may bring more failures than that.
    grown = _FIRST_PAUSE_SECONDS * 2.0 ** min(failures - 1, 16)
    return min(_LONGEST_PAUSE_SECONDS, grown) * chance


@dataclass(frozen=True, slots=True)
class Retry:
    """Repeats an operation within a `Patience`.

    Attributes:
        patience: how long.
        clock: seconds, monotonic.
        sleep: waits for seconds; a signal handler may end it by raising.
        chance: uniform in [0, 1).
    """

    patience: Patience
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random

    def run(
        self,
        operation: Callable[[], _Result],
        errors: tuple[type[Exception], ...],
        judge: Callable[[Exception], Verdict],
        *,
        renew: Callable[[], None] = lambda: None,
        asked_pause: Callable[[Exception], float] = lambda _: 0.0,
    ) -> _Result:
        """The operation's result, or the last of `errors` that it raised.

        Args:
            operation: may be called any number of times.
            errors: what it raises when it fails; anything else passes through.
            judge: what such a failure is.
            renew: fetches fresh credentials.
            asked_pause: seconds that the server asked for with this failure.
        """
        started = self.clock()
        failures, renewed = 0, False
        while True:
            try:
                return operation()
            except errors as error:
                verdict = judge(error)
                if verdict == "Final" or (verdict == "Denied" and renewed):
                    raise
                if verdict == "Denied":
                    renewed = True
                    renew()
                    continue
                failures += 1
                pause = max(pause_seconds(failures, self.chance()), asked_pause(error))
                if self.clock() - started + pause > self.patience.outage_seconds:
                    raise
                _log.warning("%s; trying again in %.1f s", _first_line(error), pause)
            self.sleep(pause)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
