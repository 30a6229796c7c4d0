"""Puts the operator together and runs it until it is told to stop.

Any task that ends by itself takes the process down: a restart is the one way of recovery.
"""

import asyncio
import logging
import signal
import socket
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Final

from preftrain_operator.edge.handlers import build_registry
from preftrain_operator.edge.metrics import Metrics
from preftrain_operator.edge.probe import Health
from preftrain_operator.edge.relists import Relists
from preftrain_operator.edge.watching import watch
from preftrain_operator.kube.errors import KubeError, NotFound
from preftrain_operator.kube.port import Json, Kind, KubePort, ProgressPort
from preftrain_operator.runtime.clock import utc_now
from preftrain_operator.runtime.controller import Controller
from preftrain_operator.runtime.echo import Echo
from preftrain_operator.runtime.leadership import Alone, Elected, Leadership
from preftrain_operator.runtime.progress import ProgressPuller
from preftrain_operator.runtime.queue import WorkQueue
from preftrain_operator.runtime.resync import Resync
from preftrain_operator.runtime.shelf import version_of
from preftrain_operator.runtime.store import Store
from preftrain_operator.settings import Settings

PRIME_RETRY_SECONDS: Final = 2.0
_logger = logging.getLogger(__name__)


async def run_operator(
    settings: Settings,
    kube: KubePort,
    progress: ProgressPort,
    metrics: Metrics,
    *,
    stop: asyncio.Event | None = None,
    clock: Callable[[], datetime] = utc_now,
) -> None:
    """Run until SIGTERM, or until `stop` is set.

    Raises:
        ExceptionGroup: with whatever ended one of the tasks.
    """
    queue = WorkQueue()
    echo = Echo()
    store = Store(queue.add, echo)
    leadership = _leadership(settings, kube, clock)
    controller = Controller(kube, store, queue, settings.installation, metrics, leadership, clock)
    resync = Resync(
        kube,
        store,
        queue,
        metrics,
        namespaces=settings.namespaces,
        first_seconds=settings.first_resync_seconds,
        period_seconds=settings.resync_seconds,
    )
    puller = ProgressPuller(progress, store, metrics, leadership, settings.progress_seconds, clock)
    health = Health(queue, resync, echo, leadership)
    relists = Relists(metrics.relisted)

    def take(kind: Kind, event: str | None, item: Json) -> None:
        metadata = item["metadata"]
        metrics.watched(kind.plural)
        # Where all namespaces are watched there is one list of all.
        scope = metadata["namespace"] if settings.namespaces else ""
        relists.take(kind, event, scope, metadata["uid"])
        if event == "DELETED":
            store.remove(kind, item)
        else:
            store.put(kind, item)
            echo.told(metadata["uid"], version_of(item))

    await _prime(resync)
    stop = stop or asyncio.Event()
    # Until kopf has taken the signal over, SIGTERM would end the process without a farewell.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    _logger.info(
        "started with %d jobs, %d Jobs, %d pods",
        *(len(store.uids(kind)) for kind in (Kind.TRAINING_JOBS, Kind.JOBS, Kind.PODS)),
    )
    metrics.observe(store, queue, leadership)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(controller.work()) for _ in range(settings.workers)]
        tasks += [group.create_task(part.run()) for part in (resync, puller, health, leadership)]
        await group.create_task(watch(settings, build_registry(take, health), stop))
        for task in tasks:
            task.cancel()
    # Only when nothing works any more may another one begin.
    await leadership.give_back()


def _leadership(settings: Settings, kube: KubePort, clock: Callable[[], datetime]) -> Leadership:
    if not settings.lease_namespace:
        return Alone()
    return Elected(
        kube,
        namespace=settings.lease_namespace,
        name=settings.lease_name,
        identity=f"{socket.gethostname()}-{uuid.uuid4().hex[:8]}",
        clock=clock,
    )


async def _prime(resync: Resync) -> None:
    """Fill the store before any work; waits for an API server that is not there yet."""
    while True:
        try:
            await resync.sync()
        except NotFound as error:
            _logger.error(
                "the kind PreferenceTrainingJob is not installed; set the chart's crds.enabled to "
                "true, or apply crds/preferencetrainingjobs.yaml (%s)",
                error,
            )
        except KubeError as error:
            _logger.warning("the first list failed: %s", error)
        else:
            return
        await asyncio.sleep(PRIME_RETRY_SECONDS)
