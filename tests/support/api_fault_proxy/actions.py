"""What may become of a request; none of it looks at a clock or a die."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass

from support.api_fault_proxy.exchange import Action, CutError, Exchange, Forward, Reply


@dataclass(slots=True)
class Rule:
    """An action and the requests that meet it.

    Attributes:
        matches: which requests.
        action: what becomes of them.
        times: how many of them; the rest is left to later rules and then to the API server.
    """

    matches: Callable[[Exchange], bool]
    action: Action
    times: int = 1_000_000


def before_commit(number: int, kill: Callable[[], None]) -> Rule:
    """Kill the operator by `kill` when it sends write `number`, which never arrives."""

    async def act(_: Exchange, __: Forward) -> Reply:
        kill()
        raise CutError

    return Rule(lambda exchange: exchange.number == number, act, times=1)


def after_commit(number: int, kill: Callable[[], None]) -> Rule:
    """Kill the operator by `kill` when write `number` is stored, before it hears of it."""

    async def act(exchange: Exchange, forward: Forward) -> Reply:
        await forward(exchange)
        kill()
        raise CutError

    return Rule(lambda exchange: exchange.number == number, act, times=1)


def answer(
    status: int, reason: str, message: str = "as the test wants it", retry_after: str = ""
) -> Action:
    """Answer with an error of the API server's form; the request does not arrive."""
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "reason": reason,
        "message": message,
        "code": status,
    }
    headers = {"Content-Type": "application/json"}
    if retry_after:
        headers["Retry-After"] = retry_after

    async def act(_: Exchange, __: Forward) -> Reply:
        return Reply(status, headers, json.dumps(body).encode())

    return act


async def cut(_: Exchange, __: Forward) -> Reply:
    """Cut the connection; the request does not arrive."""
    raise CutError


async def lost(exchange: Exchange, forward: Forward) -> Reply:
    """The request is carried out and its answer is lost."""
    await forward(exchange)
    raise CutError


def late(seconds: float) -> Action:
    """The request arrives after a pause."""

    async def act(exchange: Exchange, forward: Forward) -> Reply:
        await asyncio.sleep(seconds)
        return await forward(exchange)

    return act


def hold(until: threading.Event) -> Action:
    """The request waits on its way until the test lets it go."""

    async def act(exchange: Exchange, forward: Forward) -> Reply:
        await asyncio.to_thread(until.wait, 120)
        return await forward(exchange)

    return act


def stale(revision: str) -> Action:
    """A list is answered as of an older revision, from etcd's history; a watch goes on from
    the list that it follows anyway.
    """

    async def act(exchange: Exchange, forward: Forward) -> Reply:
        if not exchange.is_list or "continue" in exchange.query:
            return await forward(exchange)
        old = {"resourceVersion": revision, "resourceVersionMatch": "Exact"}
        return await forward(exchange.asking(**old))

    return act
