"""The loop: take a key, look, decide, carry out. All state is in the cluster and the store."""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from preftrain_api.group import LABEL_JOB_UID
from preftrain_api.status import AttemptStatus, JobRef
from preftrain_operator.core.decide import decide
from preftrain_operator.core.observed import Observed, Refusal, controller_of
from preftrain_operator.core.plan import Plan
from preftrain_operator.core.render import job_labels
from preftrain_operator.core.situation import Installation, Situation
from preftrain_operator.kube.errors import Conflict, KubeError, NotFound
from preftrain_operator.kube.port import Json, Kind, KubePort
from preftrain_operator.runtime.executor import Executor
from preftrain_operator.runtime.leadership import Leadership
from preftrain_operator.runtime.meter import Meter
from preftrain_operator.runtime.queue import WorkQueue
from preftrain_operator.runtime.store import Store

CONFLICT_SECONDS: Final = 0.1
_logger = logging.getLogger(__name__)


def utc_now() -> datetime:
    """Now, in whole seconds as Kubernetes writes times."""
    return datetime.now(UTC).replace(microsecond=0)


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
    ) -> None:
        self._kube = kube
        self._store = store
        self._queue = queue
        self._installation = installation
        self._meter = meter
        self._leadership = leadership
        self._clock = clock
        self._executor = Executor(kube, store, meter, clock)

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
        observed = self._store.snapshot(key)
        if observed is None:
            return None
        plan = self._decide(observed)
        if plan.look_again:
            await self._look(observed)
            observed = self._store.snapshot(key, live=True)
            if observed is None:
                return None
            plan = self._decide(observed)
        refusal = await self._executor.execute(observed, plan)
        if refusal is not None:
            return await self._tell(key, refusal)
        return plan.requeue_after

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
            if await self._refresh(item):
                raise
            return None

    async def _refresh(self, item: Json) -> bool:
        """Read a job live into the store; False when it is gone."""
        metadata = item["metadata"]
        try:
            live = await self._kube.get(Kind.TRAINING_JOBS, metadata["namespace"], metadata["name"])
        except NotFound:
            self._store.remove(Kind.TRAINING_JOBS, item)
            return False
        if live["metadata"]["uid"] != metadata["uid"]:
            self._store.remove(Kind.TRAINING_JOBS, item)
            return False
        self._store.put(Kind.TRAINING_JOBS, live)
        return True

    async def _look(self, observed: Observed) -> None:
        """Read a job's Jobs and pods live, then the job itself: in this order everything that
        was seen is accounted for in a status read later.
        """
        for kind in (Kind.JOBS, Kind.PODS):
            items: list[Json] = []
            version = 0
            labels = f"{LABEL_JOB_UID}={observed.uid}"
            async for page in self._kube.pages(kind, observed.namespace, labels=labels):
                items += page.items
                version = int(page.resource_version)
            self._store.replace(kind, items, version, key=observed.uid)
        item = self._store.get(Kind.TRAINING_JOBS, observed.uid)
        if item is None or not await self._refresh(item):
            return
        fresh = self._store.snapshot(observed.uid)
        if fresh is None or fresh.current is None:
            return
        missing = fresh.missing_pod
        if missing is not None:
            await self._look_for_pod(fresh, missing)
        elif fresh.job_of(fresh.current) is not None:
            return
        await self._look_for_job(fresh, fresh.current)

    async def _look_for_job(self, observed: Observed, ref: JobRef) -> None:
        """Read the current Job by its name: one whose labels were taken away is in no list and
        yet is there, and how it counted a pod that is gone, the list may not tell yet.
        """
        try:
            found = await self._kube.get(Kind.JOBS, observed.namespace, ref.name)
        except NotFound:
            return
        if controller_of(found) == observed.uid:
            labels = job_labels(observed, observed.status.run_revision or 1, ref.stage, ref.attempt)
            self._store.put(Kind.JOBS, _labelled(found, labels), live=True)

    async def _look_for_pod(self, observed: Observed, entry: AttemptStatus) -> None:
        """Read the open attempt's pod by its name: it may only have lost its labels."""
        if entry.pod is None:
            return
        try:
            found = await self._kube.get(Kind.PODS, observed.namespace, entry.pod)
        except NotFound:
            return
        if found["metadata"]["uid"] == entry.pod_uid:
            self._store.put(Kind.PODS, _labelled(found, {LABEL_JOB_UID: observed.uid}), live=True)

    async def _tell(self, key: str, refusal: Refusal) -> float | None:
        """Let the decision say what a refused creation means."""
        observed = self._store.snapshot(key, refusal=refusal, live=True)
        if observed is None:
            return None
        plan = self._decide(observed)
        if plan.create is not None:
            raise Conflict(refusal.message)
        await self._executor.execute(observed, plan)
        return plan.requeue_after

    def _decide(self, observed: Observed) -> Plan:
        return decide(Situation(observed, self._clock(), self._installation))


def _labelled(found: Json, labels: dict[str, str]) -> Json:
    """A Job or pod with the labels that it was made with: its name and its owner tell that it is
    the one.
    """
    metadata = found["metadata"]
    return {
        **found,
        "metadata": {**metadata, "labels": {**(metadata.get("labels") or {}), **labels}},
    }
