"""Which of several operators works. One that does not lead keeps its caches warm and waits.

Nothing that must be right depends on it: who loses the Lease unnoticed goes on for some
seconds, and its writes meet the same preconditions as ever.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Final, Protocol

from preftrain_operator.core.election import (
    LEASE_SECONDS,
    RENEW_SECONDS,
    LeaseView,
    lease_spec,
    may_take,
    view_lease,
)
from preftrain_operator.kube.errors import AlreadyExists, Conflict, KubeError, NotFound
from preftrain_operator.kube.port import Kind, KubePort

ASK_SECONDS: Final = 2.0
"""Pause between looks at a Lease that somebody else holds, and after a failed request."""
GIVE_BACK_SECONDS: Final = 5.0
"""A Lease that cannot be given back within this time runs out by itself."""
_logger = logging.getLogger(__name__)


class Leadership(Protocol):
    """Whether this operator leads."""

    async def wait(self) -> None:
        """Return as soon as it leads."""

    @property
    def held_seconds(self) -> float | None:
        """For how long it has led; None while it does not."""

    async def run(self) -> None:
        """Keep it so, for ever."""

    async def give_back(self) -> None:
        """Let another one lead at once."""


class Alone:
    """`Leadership` of a single replica: it always leads."""

    def __init__(self) -> None:
        self._since = _now()

    async def wait(self) -> None:
        """See `Leadership`."""

    @property
    def held_seconds(self) -> float | None:
        """See `Leadership`."""
        return _now() - self._since

    async def run(self) -> None:
        """See `Leadership`."""

    async def give_back(self) -> None:
        """See `Leadership`."""


class Elected:
    """`Leadership` by a Lease.

    Args:
        namespace: where the Lease is.
        name: of the Lease.
        identity: of this operator; unique.
        clock: wall clock, for what people read in the Lease.
    """

    def __init__(
        self,
        kube: KubePort,
        *,
        namespace: str,
        name: str,
        identity: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._kube = kube
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._clock = clock
        self._held = asyncio.Event()
        self._since = 0.0
        self._renewed = 0.0
        self._seen_version = ""
        self._seen_at = 0.0

    async def wait(self) -> None:
        """See `Leadership`."""
        await self._held.wait()

    @property
    def held_seconds(self) -> float | None:
        """See `Leadership`."""
        return _now() - self._since if self._held.is_set() else None

    async def run(self) -> None:
        """See `Leadership`."""
        while True:
            pause = await self.step()
            await asyncio.sleep(pause)

    async def step(self) -> float:
        """Take, renew or look at the Lease once; seconds until the next step."""
        asked = _now()
        try:
            lease = await self._read()
            took = await self._take(lease, asked)
        except (Conflict, AlreadyExists):
            took = False  # somebody else was faster
        except KubeError as error:
            _logger.warning("the Lease %s/%s: %s", self._namespace, self._name, error)
            self._let_go_when_run_out()
            return ASK_SECONDS
        if not took:
            self._lose("somebody else holds it")
            return ASK_SECONDS
        self._renewed = asked
        if not self._held.is_set():
            self._since = asked
            self._held.set()
            _logger.info("%s leads", self._identity)
        return RENEW_SECONDS

    async def give_back(self) -> None:
        """See `Leadership`."""
        if not self._held.is_set():
            return
        self._held.clear()
        with suppress(KubeError, TimeoutError):
            async with asyncio.timeout(GIVE_BACK_SECONDS):
                lease = await self._read()
                if lease is not None and lease.holder == self._identity:
                    await self._write(lease, {"holderIdentity": ""})

    async def _read(self) -> LeaseView | None:
        try:
            item = await self._kube.get(Kind.LEASES, self._namespace, self._name)
        except NotFound:
            return None
        lease = view_lease(item)
        if lease.version != self._seen_version:
            self._seen_version, self._seen_at = lease.version, _now()
        return lease

    async def _take(self, lease: LeaseView | None, asked: float) -> bool:
        if lease is None:
            await self._kube.create(
                Kind.LEASES,
                self._namespace,
                {
                    "apiVersion": "coordination.k8s.io/v1",
                    "kind": "Lease",
                    "metadata": {"name": self._name, "namespace": self._namespace},
                    "spec": lease_spec(None, self._identity, self._clock()),
                },
            )
            return True
        if not may_take(lease, self._identity, asked - self._seen_at):
            return False
        await self._write(lease, lease_spec(lease, self._identity, self._clock()))
        return True

    async def _write(self, lease: LeaseView, spec: dict[str, object]) -> None:
        body = {"metadata": {"resourceVersion": lease.version}, "spec": spec}
        await self._kube.patch(Kind.LEASES, self._namespace, self._name, body)

    def _let_go_when_run_out(self) -> None:
        if self._held.is_set() and _now() - self._renewed >= LEASE_SECONDS:
            self._lose("it could not be renewed in time")

    def _lose(self, why: str) -> None:
        if self._held.is_set():
            self._held.clear()
            _logger.warning("%s does not lead any more: %s", self._identity, why)


def _now() -> float:
    # Readable from the thread that serves the metrics.
    return time.monotonic()
