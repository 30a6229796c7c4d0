"""Coroutines that are advanced by hand, from one request to the next."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Generator
from typing import Any, Literal, get_args

from preftrain_operator.kube.errors import Denied, Transient
from preftrain_operator.kube.port import Json, Kind, Page
from support.fake_api import FakeApi

Fault = Literal["NotSent", "AnswerLost", "Denied"]
"""The request never arrives, is carried out without an answer, or is refused."""
FAULTS: tuple[Fault, ...] = get_args(Fault)


class _Pause:
    """Gives control back to whoever drives the coroutine."""

    def __await__(self) -> Generator[None]:
        yield None


class PausingApi:
    """`KubePort` that lets others go first before each of its requests, and fails when told to.

    Attributes:
        next_fault: what becomes of the next write.
        is_about_to_create: whether the request that waits to be made creates a Job.
    """

    def __init__(self, api: FakeApi) -> None:
        self._api = api
        self.next_fault: Fault | None = None
        self.is_about_to_create = False

    async def pages(
        self, kind: Kind, namespace: str | None, *, labels: str = "", fields: str = ""
    ) -> AsyncIterator[Page]:
        """See `KubePort`."""
        await _Pause()
        async for page in self._api.pages(kind, namespace, labels=labels, fields=fields):
            yield page

    async def get(self, kind: Kind, namespace: str, name: str) -> Json:
        """See `KubePort`."""
        await _Pause()
        return await self._api.get(kind, namespace, name)

    async def create(self, kind: Kind, namespace: str, body: Json) -> Json:
        """See `KubePort`."""
        self.is_about_to_create = kind is Kind.JOBS
        try:
            return await self._write(kind, self._api.create(kind, namespace, body))
        finally:
            self.is_about_to_create = False

    async def patch_status(self, kind: Kind, namespace: str, name: str, patch: Json) -> Json:
        """See `KubePort`."""
        return await self._write(kind, self._api.patch_status(kind, namespace, name, patch))

    async def patch(self, kind: Kind, namespace: str, name: str, patch: Json) -> Json:
        """See `KubePort`."""
        return await self._write(kind, self._api.patch(kind, namespace, name, patch))

    async def delete(
        self, kind: Kind, namespace: str, name: str, uid: str, *, foreground: bool
    ) -> Json:
        """See `KubePort`."""
        request = self._api.delete(kind, namespace, name, uid, foreground=foreground)
        return await self._write(kind, request)

    async def _write(self, kind: Kind, request: Coroutine[Any, Any, Json]) -> Json:
        try:
            await _Pause()
            fault, self.next_fault = self.next_fault, None
            if fault == "NotSent":
                raise Transient("connection refused")
            if fault == "Denied" and kind is Kind.JOBS:
                raise Denied("exceeded quota: gpus", 403)
            answer = await request
        finally:
            request.close()
        if fault == "AnswerLost":
            raise Transient("connection reset")
        return answer


def advance(work: Coroutine[Any, Any, Any]) -> bool:
    """Let it make its next request; False when it has ended.

    Raises:
        BaseException: whatever the coroutine raised.
    """
    try:
        work.send(None)
    except StopIteration:
        return False
    return True


def finish(work: Coroutine[Any, Any, Any]) -> None:
    """Let it make all its requests."""
    while advance(work):
        continue
