"""Creates objects: all at once, or in an open loop that does not wait for the system."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import aiohttp

from bench.operator.errors import BenchError
from cluster.api import Api

USER_AGENT: Final = "preftrain-bench"
BURST_CONNECTIONS: Final = 16
OPEN_LOOP_CONNECTIONS: Final = 64
_PAGE_SIZE: Final = 500
Json = dict[str, Any]
T = TypeVar("T")


class Client:
    """JSON requests over connections that stay open."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def call(self, method: str, path: str, body: Json | None = None) -> Json:
        """Send one request.

        Raises:
            BenchError: the answer is an error, or did not come whole.
        """
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        payload = None if body is None else json.dumps(body)
        headers = {"Content-Type": kind}
        request = self._session.request(method, path, data=payload, headers=headers)
        try:
            async with request as answer:
                text = await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise BenchError(f"{method} {path}: {type(error).__name__}: {error}") from error
        if answer.status >= 400:
            raise BenchError(f"{method} {path}: {answer.status} {text[:300]!r}")
        found: Json = json.loads(text)
        return found

    async def items(self, path: str) -> AsyncIterator[Json]:
        """All objects of a list, page by page."""
        token = ""
        while True:
            page = await self.call("GET", f"{path}?limit={_PAGE_SIZE}&continue={token}")
            for item in page["items"]:
                yield item
            token = page["metadata"].get("continue", "")
            if not token:
                return


@asynccontextmanager
async def connected(api: Api, connections: int) -> AsyncIterator[Client]:
    """A client of the API server that `api` talks to."""
    connector = aiohttp.TCPConnector(limit=connections, ssl=api.tls or True)
    headers = {"User-Agent": USER_AGENT}
    async with aiohttp.ClientSession(api.server, connector=connector, headers=headers) as session:
        yield Client(session)


async def in_burst(items: Sequence[T], act: Callable[[T], Awaitable[object]]) -> None:
    """Act on all items as fast as answers come, `BURST_CONNECTIONS` at a time."""
    left = iter(items)

    async def work() -> None:
        for item in left:
            await act(item)

    async with _together() as group:
        for _ in range(BURST_CONNECTIONS):
            group.create_task(work())


async def in_open_loop(
    items: Sequence[T], act: Callable[[T], Awaitable[object]], per_second: float
) -> None:
    """Act on items at a fixed rate, whether or not earlier ones have been answered."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with _together() as group:
        for number, item in enumerate(items):
            await asyncio.sleep(began + number / per_second - loop.time())
            group.create_task(_awaited(act(item)))


@asynccontextmanager
async def _together() -> AsyncIterator[asyncio.TaskGroup]:
    """A task group that ends with the first error itself: what failed next says no more."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None


async def _awaited(action: Awaitable[object]) -> None:
    await action
