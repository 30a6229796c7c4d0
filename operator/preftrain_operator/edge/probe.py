"""Whether the operator is alive: loop, work, lists and watches."""

import asyncio
from typing import Final

from preftrain_operator.runtime.echo import Echo
from preftrain_operator.runtime.leadership import Leadership
from preftrain_operator.runtime.queue import WorkQueue
from preftrain_operator.runtime.resync import Resync

MAX_KEY_SECONDS: Final = 60.0
MAX_LAG_SECONDS: Final = 5.0
MAX_MISSED_RESYNCS: Final = 3
MAX_ECHO_SECONDS: Final = 60.0
"""A watch reconnects within half a minute of the API server's return; what it has not told a
minute after a list has succeeded it will never tell."""
_TICK_SECONDS: Final = 1.0


class Health:
    """Collects what the liveness probe asks for."""

    def __init__(
        self, queue: WorkQueue, resync: Resync, echo: Echo, leadership: Leadership
    ) -> None:
        self._queue = queue
        self._resync = resync
        self._echo = echo
        self._leadership = leadership
        self._lag_seconds = 0.0

    async def run(self) -> None:
        """Measure the lag of the loop for ever."""
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(_TICK_SECONDS)
            self._lag_seconds = max(0.0, loop.time() - before - _TICK_SECONDS)

    def fault(self) -> str | None:
        """What is wrong; None when all is well."""
        age = self._resync.age_seconds
        limit = MAX_MISSED_RESYNCS * self._resync.period_seconds
        if age is None or age > limit:
            return f"no full list has succeeded for {limit:.0f} s"
        owed = self._echo.oldest()
        if owed is not None and owed[1] - age > MAX_ECHO_SECONDS:
            return f"the watch of {owed[0].plural} has told nothing for {owed[1]:.0f} s"
        # One that does not lead lets its keys wait, and is well.
        held = self._leadership.held_seconds
        waited = 0.0 if held is None else min(held, self._queue.oldest_seconds)
        if waited > MAX_KEY_SECONDS:
            return f"a key has waited for {waited:.0f} s"
        if self._lag_seconds > MAX_LAG_SECONDS:
            return f"the event loop lags by {self._lag_seconds:.1f} s"
        return None
