"""Whether the operator is alive: the loop turns, keys are worked on, lists succeed."""

import asyncio
from typing import Final

from preftrain_operator.runtime.queue import WorkQueue
from preftrain_operator.runtime.resync import Resync

MAX_KEY_SECONDS: Final = 60.0
MAX_LAG_SECONDS: Final = 5.0
MAX_MISSED_RESYNCS: Final = 3
_TICK_SECONDS: Final = 1.0


class Health:
    """Collects what the liveness probe asks for."""

    def __init__(self, queue: WorkQueue, resync: Resync) -> None:
        self._queue = queue
        self._resync = resync
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
        if self._queue.oldest_seconds > MAX_KEY_SECONDS:
            return f"a key has waited for {self._queue.oldest_seconds:.0f} s"
        if self._lag_seconds > MAX_LAG_SECONDS:
            return f"the event loop lags by {self._lag_seconds:.1f} s"
        return None
