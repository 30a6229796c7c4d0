"""One operator of a schedule: the real store, controller and resync, with a watch that lags."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any

from preftrain_operator.kube.errors import KubeError
from preftrain_operator.kube.port import Json, Kind
from preftrain_operator.runtime.controller import Controller
from preftrain_operator.runtime.leadership import Alone
from preftrain_operator.runtime.meter import NoMeter
from preftrain_operator.runtime.queue import WorkQueue
from preftrain_operator.runtime.resync import Resync
from preftrain_operator.runtime.store import Store
from support.fake_api import FakeApi
from support.schedule.stepped import PausingApi, advance, finish
from support.situations import INSTALLATION

MAX_RECONCILES = 30
"""More than any job needs whose surroundings keep still."""

WatchEvent = tuple[Kind, str, Json]


class SimulatedOperator:
    """Can be advanced by a request, killed, and told what its watches have to tell.

    Attributes:
        requests_failed: how many reconciles ended in an error of the API.
    """

    def __init__(self, api: FakeApi, clock: Callable[[], datetime]) -> None:
        self._api = api
        self._clock = clock
        self.requests_failed = 0
        self.start()

    def start(self) -> None:
        """A new process: caches filled by a list, watches from there on."""
        self._store = Store()
        self._port = PausingApi(self._api)
        self._controller = Controller(
            self._port,
            self._store,
            WorkQueue(),
            INSTALLATION,
            NoMeter(),
            Alone(),
            clock=self._clock,
        )
        self._work: Coroutine[Any, Any, Any] | None = None
        self._watch: deque[WatchEvent] = deque()
        self.resync()

    def resync(self) -> None:
        """A full list, read and taken in at one moment."""
        resync = Resync(self._port, self._store, WorkQueue(), NoMeter())
        finish(resync.sync())

    def hear(self, event: WatchEvent) -> None:
        """The API server sends a watch event; it arrives later."""
        self._watch.append(event)

    def deliver(self, count: int) -> None:
        """So many events arrive, in order."""
        for _ in range(min(count, len(self._watch))):
            kind, sort, item = self._watch.popleft()
            if sort == "DELETED":
                self._store.remove(kind, item)
            else:
                self._store.put(kind, item)

    def lose_events(self) -> None:
        """The watch is cut and begins anew with a list: what was deleted meanwhile is not told."""
        missed = [event for event in self._watch if event[1] != "DELETED"]
        self._watch = deque(missed[-1:])

    def request(self, key: str) -> None:
        """Make one request, of the reconcile under way or of a new one."""
        work = self._work or self._controller.reconcile_or_refresh(key)
        try:
            self._work = work if advance(work) else None
        except KubeError:
            self.requests_failed += 1
            self._work = None

    def settle(self, key: str) -> None:
        """Reconcile until nothing changes any more.

        Raises:
            AssertionError: it does not come to rest.
        """
        while self._work is not None:
            self.request(key)
        for _ in range(MAX_RECONCILES):
            before = (self._api.version, self.requests_failed)
            self.request(key)
            while self._work is not None:
                self.request(key)
            if (self._api.version, self.requests_failed) == before:
                return
        raise AssertionError("the operator does not come to rest")

    def kill(self) -> None:
        """SIGKILL, and a new process."""
        if self._work is not None:
            self._work.close()
        self.start()

    def known(self) -> list[str]:
        """Keys of the jobs that it knows."""
        return [job["metadata"]["uid"] for job in self._store.jobs()]
