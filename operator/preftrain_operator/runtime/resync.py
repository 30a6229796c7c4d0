"""Full lists: before any work, once soon after, then now and then.

Watches lose deletions when they are cut, so what a list does not have is dropped. The first
repetition covers what happened between our list and the watches' own.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Final

from preftrain_operator.kube.errors import KubeError
from preftrain_operator.kube.port import Kind, KubePort
from preftrain_operator.runtime.meter import Meter
from preftrain_operator.runtime.queue import WorkQueue
from preftrain_operator.runtime.selector import CHILD_SELECTOR
from preftrain_operator.runtime.store import Store

RETRY_SECONDS: Final = 5.0
_logger = logging.getLogger(__name__)


class Resync:
    """Keeps the store honest.

    Args:
        namespaces: those that are watched; none for all.
        first_seconds: pause before the first repetition.
        period_seconds: pause between repetitions.
    """

    def __init__(
        self,
        kube: KubePort,
        store: Store,
        queue: WorkQueue,
        meter: Meter,
        *,
        namespaces: Sequence[str] = (),
        first_seconds: float = 30.0,
        period_seconds: float = 300.0,
    ) -> None:
        self._kube = kube
        self._store = store
        self._queue = queue
        self._meter = meter
        self._namespaces: tuple[str | None, ...] = tuple(namespaces) or (None,)
        self._first_seconds = first_seconds
        self.period_seconds = period_seconds
        self._last_success: float | None = None

    @property
    def age_seconds(self) -> float | None:
        """Seconds since the last full list; None before the first."""
        if self._last_success is None:
            return None
        return time.monotonic() - self._last_success

    async def sync(self) -> tuple[int, int, int]:
        """List everything into the store: objects added, changed, removed.

        Raises:
            KubeError: when a list failed; the store keeps what it has.
        """
        totals = [0, 0, 0]
        # Children first: whatever of them is seen, the job's status, read later, knows of.
        for kind in (Kind.JOBS, Kind.PODS, Kind.TRAINING_JOBS):
            for index, count in enumerate(await self._list(kind)):
                totals[index] += count
        self._last_success = time.monotonic()
        return totals[0], totals[1], totals[2]

    async def run(self) -> None:
        """Repeat for ever; a failing list is tried again soon."""
        pause = self._first_seconds
        while True:
            await asyncio.sleep(pause)
            try:
                added, changed, removed = await self.sync()
            except KubeError as error:
                _logger.warning("resync failed: %s", error)
                pause = RETRY_SECONDS
                continue
            self._meter.resynced(added, changed, removed)
            for key in self._store.unfinished():
                self._queue.add(key)
            pause = self.period_seconds

    async def _list(self, kind: Kind) -> tuple[int, int, int]:
        """List a kind, a page at a time so that only one page is in memory whole."""
        labels = "" if kind is Kind.TRAINING_JOBS else CHILD_SELECTOR
        added = changed = 0
        listed: set[str] = set()
        versions: list[int] = []
        for namespace in self._namespaces:
            async for page in self._kube.pages(kind, namespace, labels=labels):
                more = self._store.put_all(kind, page.items)
                added, changed = added + more[0], changed + more[1]
                listed.update(item["metadata"]["uid"] for item in page.items)
                version = int(page.resource_version)
            versions.append(version)
        return added, changed, self._store.retain(kind, listed, min(versions))
