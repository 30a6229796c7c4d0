"""A queue of keys: each at most once in it, never worked on twice at a time.

A key that is added while it is worked on comes up once more afterwards. Failing keys wait
longer each time; nothing is ever given up.
"""

import asyncio
import heapq
import itertools
import random
import time
from collections import deque
from typing import Final

FIRST_BACKOFF_SECONDS: Final = 0.5
LAST_BACKOFF_SECONDS: Final = 300.0


class WorkQueue:
    """Belongs to one event loop."""

    def __init__(self) -> None:
        self._ready: deque[str] = deque()
        self._since: dict[str, float] = {}
        self._active: set[str] = set()
        self._again: set[str] = set()
        self._due: dict[str, float] = {}
        self._heap: list[tuple[float, int, str]] = []
        self._order = itertools.count()
        self._failures: dict[str, int] = {}
        self._wake = asyncio.Event()

    def add(self, key: str) -> None:
        """Work on `key` as soon as possible."""
        self._due.pop(key, None)
        if key in self._active:
            self._again.add(key)
        elif key not in self._since:
            self._since[key] = _now()
            self._ready.append(key)
            self._wake.set()

    def add_after(self, key: str, seconds: float) -> None:
        """Work on `key` after `seconds`, unless it comes up earlier."""
        due = _now() + seconds
        if key in self._since or due >= self._due.get(key, float("inf")):
            return
        self._due[key] = due
        heapq.heappush(self._heap, (due, next(self._order), key))
        self._wake.set()

    async def get(self) -> str:
        """The next key; it is active until `done` or `failed`."""
        while True:
            self._promote()
            if self._ready:
                key = self._ready.popleft()
                del self._since[key]
                self._active.add(key)
                return key
            self._wake.clear()
            wait = self._heap[0][0] - _now() if self._heap else None
            try:
                async with asyncio.timeout(wait):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def done(self, key: str, again_after: float | None = None) -> None:
        """The work on `key` has succeeded."""
        self._failures.pop(key, None)
        self._finish(key)
        if again_after is not None:
            self.add_after(key, again_after)

    def failed(self, key: str, at_least: float = 0.0) -> float:
        """The work on `key` has failed; it comes up again after the seconds returned."""
        count = self._failures.get(key, 0)
        self._failures[key] = count + 1
        wait: float = min(LAST_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2 ** min(count, 20))
        # Spread, so that what failed together does not come back together.
        wait = max(at_least, wait * random.uniform(0.75, 1.25))  # noqa: S311
        self._finish(key)
        self.add_after(key, wait)
        return wait

    @property
    def depth(self) -> int:
        """Keys that could be worked on now."""
        return len(self._ready)

    @property
    def oldest_seconds(self) -> float:
        """How long the key that waits longest has waited."""
        return _now() - self._since[self._ready[0]] if self._ready else 0.0

    def _finish(self, key: str) -> None:
        self._active.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def _promote(self) -> None:
        now = _now()
        while self._heap and self._heap[0][0] <= now:
            due, _, key = heapq.heappop(self._heap)
            # An entry that was overtaken by an earlier one, or by `add`, is void.
            if self._due.get(key) == due:
                del self._due[key]
                self.add(key)


def _now() -> float:
    # The loop's own clock, but readable from the thread that serves the metrics.
    return time.monotonic()
