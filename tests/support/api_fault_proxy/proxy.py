"""The proxy itself: plain HTTP towards the operator, TLS towards the API server."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import threading
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import aiohttp
from aiohttp import web

from cluster.api import Api
from cluster.ports import free_port
from support.api_fault_proxy.actions import Rule
from support.api_fault_proxy.exchange import CutError, Exchange, Forward, Reply
from support.api_fault_proxy.watches import Ending, Schedule, undisturbed

LOOPBACK = "127.0.0.1"
MAX_BODY_BYTES = 2**24
_PASSED_ON = ("Accept", "Content-Type", "User-Agent")
_PASSED_BACK = ("Content-Type", "Retry-After", "Warning")
Result = TypeVar("Result")


class FaultProxy:
    """Stands before the API server from `start` to `stop`; used from any thread.

    Args:
        kubeconfig: of the API server, with all rights.
        folder: takes the operator's kubeconfig.

    Attributes:
        seed: decides whatever is left to chance.
        kubeconfig: leads through this proxy.
        rules: what becomes of requests; the first that matches is followed.
        schedule: when events of watches are sent on.
        ending: how watches end.
        arrived: every write that reached the API server, with the status of its answer.
    """

    def __init__(self, kubeconfig: Path, folder: Path) -> None:
        self._api = Api(kubeconfig)
        self._port = free_port()
        self.seed = 1
        self._numbers = itertools.count(1)
        self._streams: Counter[str] = Counter()
        self._lists: Counter[str] = Counter()
        self._met = 0
        self.rules: list[Rule] = []
        self.schedule: Schedule = undisturbed
        self.ending: Ending | None = None
        self.arrived: list[tuple[Exchange, int]] = []
        self.kubeconfig = folder / "through-proxy.kubeconfig"
        self.kubeconfig.write_text(json.dumps(_kubeconfig(f"http://{LOOPBACK}:{self._port}")))

    def start(self) -> None:
        """Listen."""
        self._run(self._open())

    def stop(self) -> None:
        """Cut every connection and listen no more: connections are refused from now on."""
        self._run(self._close())

    @property
    def writes(self) -> list[str]:
        """The writes that were carried out, as `POST jobs`, in order."""
        return [
            f"{exchange.method} {exchange.resource}"
            for exchange, status in self.arrived
            if status < 300
        ]

    @property
    def disturbed(self) -> int:
        """How many requests met a rule."""
        return self._met

    def lists(self, resource: str) -> int:
        """How many times all objects of a kind have been read."""
        return self._lists[resource]

    def streams(self, resource: str) -> int:
        """How many watches of a kind have been opened."""
        return self._streams[resource]

    def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, _loop()).result(30)

    async def _open(self) -> None:
        self._client = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), auto_decompress=False, read_bufsize=2**22
        )
        application = web.Application(client_max_size=MAX_BODY_BYTES)
        application.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(
            application, access_log=None, shutdown_timeout=0.05, handler_cancellation=True
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, LOOPBACK, self._port, reuse_address=True).start()

    async def _close(self) -> None:
        await self._runner.cleanup()
        await self._client.close()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        exchange = Exchange(
            number=next(self._numbers) if request.method not in ("GET", "HEAD") else 0,
            method=request.method,
            path=request.path,
            query=dict(request.query),
            headers={key: request.headers[key] for key in _PASSED_ON if key in request.headers},
            body=await request.read(),
        )
        if exchange.is_list and exchange.is_cache_fill:
            self._lists[exchange.resource] += 1
        try:
            if exchange.is_watch:
                return await self._watch(request, exchange)
            reply = await self._act(exchange, self._forward)
        except (CutError, aiohttp.ClientError, OSError):
            # What the API server's absence looks like from afar: a connection that ends.
            _cut(request)
            return web.Response(status=500)
        return web.Response(status=reply.status, headers=reply.headers, body=reply.body)

    async def _act(self, exchange: Exchange, forward: Forward) -> Reply:
        for rule in self.rules:
            if rule.times > 0 and rule.matches(exchange):
                rule.times -= 1
                self._met += 1
                return await rule.action(exchange, forward)
        return await forward(exchange)

    async def _forward(self, exchange: Exchange) -> Reply:
        async with self._ask(exchange) as found:
            headers = {key: found.headers[key] for key in _PASSED_BACK if key in found.headers}
            reply = Reply(found.status, headers, await found.read())
        if exchange.is_write:
            self.arrived.append((exchange, reply.status))
        return reply

    async def _watch(self, request: web.Request, exchange: Exchange) -> web.StreamResponse:
        """Pass a watch on. Rules may hold it up, answer in its place, or cut it."""
        number = self._streams[exchange.resource] = self._streams[exchange.resource] + 1
        passed = Reply(200, {}, b"")

        async def pass_on(_: Exchange) -> Reply:
            return passed

        reply = await self._act(exchange, pass_on)
        if reply is not passed:
            return web.Response(status=reply.status, headers=reply.headers, body=reply.body)
        async with self._ask(exchange) as found:
            response = web.StreamResponse(
                status=found.status, headers={"Content-Type": "application/json"}
            )
            await response.prepare(request)
            dice = Random(f"{self.seed}/{exchange.resource}/{number}")  # noqa: S311  # to repeat
            with contextlib.suppress(ConnectionError):
                async for line in self._events(found, number, dice):
                    await response.write(line)
            _cut(request)
            return response

    async def _events(
        self, found: aiohttp.ClientResponse, number: int, dice: Random
    ) -> AsyncIterator[bytes]:
        """Lines in the order of their time; bookmarks are never disturbed."""
        ending = self.ending if self.ending and number <= self.ending.streams else None
        out: asyncio.Queue[bytes | None] = asyncio.Queue()
        reader = asyncio.create_task(self._schedule(found, dice, ending, out))
        try:
            while (line := await out.get()) is not None:
                yield line
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)

    async def _schedule(
        self,
        found: aiohttp.ClientResponse,
        dice: Random,
        ending: Ending | None,
        out: asyncio.Queue[bytes | None],
    ) -> None:
        loop = asyncio.get_running_loop()
        count = 0
        try:
            while ending is None or count < ending.events:
                line = await found.content.readline()
                if not line:
                    break
                is_bookmark = line.startswith(b'{"type":"BOOKMARK"')
                count += not is_bookmark
                for seconds in [0.0] if is_bookmark else self.schedule(dice):
                    if seconds:
                        loop.call_later(seconds, out.put_nowait, line)
                    else:
                        out.put_nowait(line)
            if ending is not None and count >= ending.events and ending.last:
                out.put_nowait(ending.last)
        except (aiohttp.ClientError, OSError):
            pass
        finally:
            out.put_nowait(None)

    def _ask(self, exchange: Exchange) -> Any:
        return self._client.request(
            exchange.method,
            self._api.server + exchange.path,
            params=dict(exchange.query),
            headers={**exchange.headers, "Accept-Encoding": "identity"},
            data=exchange.body or None,
            ssl=self._api.tls or False,
            timeout=aiohttp.ClientTimeout(total=None),
        )


def _cut(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def _kubeconfig(server: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "proxy",
        "clusters": [{"name": "proxy", "cluster": {"server": server}}],
        "users": [{"name": "operator", "user": {}}],
        "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "operator"}}],
    }


_LOOPS: list[asyncio.AbstractEventLoop] = []
_STARTING = threading.Lock()


def _loop() -> asyncio.AbstractEventLoop:
    """The loop of all proxies, in a thread that ends with the process."""
    with _STARTING:
        if not _LOOPS:
            loop = asyncio.new_event_loop()
            threading.Thread(target=loop.run_forever, daemon=True).start()
            _LOOPS.append(loop)
        return _LOOPS[0]
