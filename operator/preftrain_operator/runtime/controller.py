"""The loop: take a key, look, decide, carry out. All state is in the cluster and the store."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final

from preftrain_operator.core.decide import decide
from preftrain_operator.core.observed import Observed, Refusal
from preftrain_operator.core.plan import Plan
from preftrain_operator.core.situation import Installation, Situation
from preftrain_operator.kube.errors import Conflict, KubeError, NotFound
from preftrain_operator.kube.port import Kind, KubePort
from preftrain_operator.runtime.clock import utc_now
from preftrain_operator.runtime.executor import Executor
from preftrain_operator.runtime.leadership import Leadership
from preftrain_operator.runtime.look import Look
from preftrain_operator.runtime.meter import Meter
from preftrain_operator.runtime.notices import Notices
from preftrain_operator.runtime.queue import WorkQueue
from preftrain_operator.runtime.refusals import Refusals
from preftrain_operator.runtime.store import Store

CONFLICT_SECONDS: Final = 0.1
UNTOLD_SECONDS: Final = 10.0
"""Pause between looks at a run with a Job or a pod that no watch tells of any more."""
_logger = logging.getLogger(__name__)


class Controller:
    """Reconciles keys from a queue with any number of workers."""

    def __init__(
        self,
        kube: KubePort,
        store: Store,
        queue: WorkQueue,
        installation: Installation,
        meter: Meter,
        leadership: Leadership,
        clock: Callable[[], datetime] = utc_now,
        refusals: Refusals | None = None,
    ) -> None:
        self._store = store
        self._queue = queue
        self._installation = installation
        self._meter = meter
        self._leadership = leadership
        self._clock = clock
        self._look = Look(kube, store)
        self._executor = Executor(kube, store, meter, clock)
        self._refusals = refusals or Refusals()
        self._notices = Notices(kube)

    async def work(self) -> None:
        """Work on keys for ever, while this operator leads."""
        while True:
            key = await self._queue.get()
            # Taken already: whatever is added meanwhile comes up once more afterwards.
            await self._leadership.wait()
            await self._step(key)

    async def reconcile(self, key: str) -> float | None:
        """Bring one job a step further; seconds after which to look again, if any.

        Raises:
            KubeError: when a request failed; the next call goes on from there.
        """
        observed = self._snapshot(key)
        if observed is None:
            return None
        plan = self._decide(observed)
        if plan.look_again or self._is_untold(observed):
            await self._look.at_all_of(key, observed.namespace)
            observed = self._snapshot(key, live=True)
            if observed is None:
                return None
            plan = self._decide(observed)
        if plan.ask_about is not None:
            notices = await self._notices.about(observed.namespace, plan.ask_about)
            observed = replace(observed, notices=notices)
            plan = self._decide(observed)
        refusal = await self._executor.execute(observed, plan)
        if refusal is not None:
            return await self._tell(key, refusal)
        standing = self._refusals.standing(key, observed.generation)
        return _soonest(
            plan.requeue_after,
            standing[1] if standing else None,
            UNTOLD_SECONDS if self._is_untold(observed) else None,
        )

    def _is_untold(self, observed: Observed) -> bool:
        """Whether a run goes on of which the watches do not tell everything."""
        return observed.status.completion_time is None and bool(self._store.untold(observed.uid))

    async def _step(self, key: str) -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        outcome = "success"
        try:
            self._queue.done(key, await self.reconcile_or_refresh(key))
        except Conflict:
            outcome = "conflict"
            self._queue.done(key, CONFLICT_SECONDS)
        except KubeError as error:
            outcome = "error"
            wait = self._queue.failed(key, error.retry_after or 0.0)
            _logger.warning("%s; again in %.1f s", error, wait, extra={"key": key})
        except Exception:
            outcome = "bug"
            wait = self._queue.failed(key)
            _logger.exception("reconcile failed; again in %.1f s", wait, extra={"key": key})
        self._meter.reconciled(outcome, loop.time() - started)

    async def reconcile_or_refresh(self, key: str) -> float | None:
        """Reconcile; what turns out to be stale is read anew for the next time.

        Raises:
            KubeError: as `reconcile`; Conflict once the newer resource has been read.
        """
        try:
            return await self.reconcile(key)
        except (Conflict, NotFound):
            item = self._store.get(Kind.TRAINING_JOBS, key)
            if item is None:
                return None
            if await self._look.at_resource(item):
                raise
            return None

    async def _tell(self, key: str, refusal: Refusal) -> float | None:
        """Let the decision say what a refused creation means."""
        observed = self._store.snapshot(key, refusal=refusal, live=True)
        if observed is None:
            return None
        plan = self._decide(observed)
        if plan.create is not None:
            raise Conflict(refusal.message)
        if refusal.kind == "Denied" and plan.requeue_after is not None:
            self._refusals.keep(key, refusal, observed.generation, plan.requeue_after)
        await self._executor.execute(observed, plan)
        return plan.requeue_after

    def _snapshot(self, key: str, *, live: bool = False) -> Observed | None:
        """What is known of a job, with a refusal that still stands."""
        observed = self._store.snapshot(key, live=live)
        if observed is None:
            self._refusals.forget(key)
            return None
        standing = self._refusals.standing(key, observed.generation)
        return observed if standing is None else replace(observed, refusal=standing[0])

    def _decide(self, observed: Observed) -> Plan:
        return decide(Situation(observed, self._clock(), self._installation))


def _soonest(*waits: float | None) -> float | None:
    """The shortest of the times that are given."""
    return min((wait for wait in waits if wait is not None), default=None)
