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
from preftrain_operator.runtime.refusals import Refusals
from preftrain_operator.runtime.resync import Resync
from preftrain_operator.runtime.store import CACHED, Store
from support.fake_api import FakeApi
from support.schedule.stepped import Fault, PausingApi, advance, finish
from support.situations import INSTALLATION

MAX_RECONCILES = 30
"""More than any job needs whose surroundings keep still."""

MAX_REQUESTS = 12
"""More than a look and what follows from it need until the Job is created."""

WatchEvent = tuple[Kind, str, Json]


class SimulatedOperator:
    """Can be advanced by a request, killed, and told what its watches have to tell.

    Attributes:
        requests_failed: how many reconciles ended in an error of the API.
        kills: how many processes were killed.
        silent: the kind whose watch is open and tells nothing.
    """

    def __init__(self, api: FakeApi, clock: Callable[[], datetime]) -> None:
        self._api = api
        self._clock = clock
        self.requests_failed = 0
        self.kills = 0
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
            refusals=Refusals(lambda: self._clock().timestamp()),
        )
        self._resync = Resync(self._port, self._store, WorkQueue(), NoMeter())
        self._work: Coroutine[Any, Any, Any] | None = None
        self._listing: Coroutine[Any, Any, Any] | None = None
        self._watches: dict[Kind, deque[WatchEvent]] = {kind: deque() for kind in CACHED}
        self.silent: Kind | None = None
        self.resync()

    def resync(self) -> None:
        """Full lists of all kinds, at one moment."""
        finish(self._resync.sync())

    def list_on(self) -> None:
        """Make the next list, or the first of a new round: a moment for each kind."""
        listing = self._listing or self._resync.sync()
        self._listing = listing if advance(listing) else None

    def hear(self, event: WatchEvent) -> None:
        """The API server sends a watch event; it arrives later."""
        self._watches[event[0]].append(event)

    def deliver(self, kind: Kind, count: int) -> None:
        """So many events of a kind arrive, in order; every kind has a watch of its own."""
        watch = self._watches[kind] if kind is not self.silent else deque()
        for _ in range(min(count, len(watch))):
            _, sort, item = watch.popleft()
            if sort == "DELETED":
                self._store.remove(kind, item)
            else:
                self._store.put(kind, item)

    def listen(self) -> None:
        """Everything arrives that was sent, but for a watch that is silent."""
        for kind in CACHED:
            self.deliver(kind, len(self._watches[kind]))

    def catch_up(self) -> None:
        """Everything that was sent arrives, a list that was under way and a new one too."""
        self.silent = None
        self.listen()
        while self._listing is not None:
            self.list_on()
        self.resync()
        self._port.next_fault = None

    def lose_events(self, kind: Kind) -> None:
        """The watch is cut and begins anew with a list: what was deleted meanwhile is not told."""
        self._watches[kind] = deque((kind, "MODIFIED", item) for item in self._api.items(kind))

    def fail_next(self, fault: Fault) -> None:
        """Let the next write fail."""
        self._port.next_fault = fault

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

    def stall_before_creating(self, key: str) -> bool:
        """Work until the next request creates a Job; False when there is nothing to create."""
        for _ in range(MAX_REQUESTS):
            if self._port.is_about_to_create:
                return True
            self.request(key)
        return False

    def kill(self) -> None:
        """SIGKILL, and a new process."""
        for task in (self._work, self._listing):
            if task is not None:
                task.close()
        self.kills += 1
        self.start()

    def known(self) -> list[str]:
        """Keys of the jobs that it knows."""
        return list(self._store.uids(Kind.TRAINING_JOBS))
