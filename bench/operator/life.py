"""One run: objects come, get their pods, run, and end, all of them in step.

In step, because only then the CPU of one phase can be told from that of the next, and every
system meets the same load at the same time.
"""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass
from typing import Any, Final

from bench.operator.account import Account, Times
from bench.operator.audit import read_calls
from bench.operator.errors import BenchError
from bench.operator.kubelet import Kubelet
from bench.operator.load import (
    BURST_CONNECTIONS,
    OPEN_LOOP_CONNECTIONS,
    Client,
    connected,
    in_burst,
    in_open_loop,
)
from bench.operator.processes import Sample
from bench.operator.quantiles import Spread
from bench.operator.record import Record
from bench.operator.stand import NAMESPACE, Stand
from bench.operator.waiting import for_quiet, for_writes

NAME_LENGTH: Final = len("b-00000")
_SETTLE_SECONDS: Final = 4.0
"""Until what has just been started has come to rest."""
_REST_SECONDS: Final = 6.0


@dataclass(frozen=True, slots=True)
class Load:
    """What is put on a system.

    Attributes:
        count: objects.
        rate: objects a second in an open loop; None for all at once.
        finished_share: the part of them that ends; the others' pods go on.
    """

    count: int
    rate: float | None = None
    finished_share: float = 1.0


def name_of(number: int) -> str:
    """The name of an object; all are equally long."""
    return f"b-{number:05d}"


async def live(stand: Stand, load: Load) -> Record:
    """Put a load on a system and follow every object to its end.

    Raises:
        BenchError: an object got no pod or did not end, so that the figures mean nothing.
    """
    began, load_before = time.strftime("%Y-%m-%d %H:%M"), os.getloadavg()[0]
    connections = BURST_CONNECTIONS if load.rate is None else OPEN_LOOP_CONNECTIONS
    async with connected(stand.api, connections) as client:
        await asyncio.sleep(_SETTLE_SECONDS)
        idle_from = stand.sample()
        await asyncio.sleep(_REST_SECONDS)
        start = stand.sample()
        idle = start.rates(idle_from)
        marks = await _phases(stand, load, client)
        end = stand.sample()
        finished = round(load.count * load.finished_share)
        await _check(stand, client, finished)
    account = Account(stand.resource, stand.system.child, stand.clients, NAME_LENGTH)
    account.add_all(read_calls(stand.audit_log, NAMESPACE))
    times = _complete(account, load.count)
    return Record(
        system=stand.system.name,
        processes=tuple(stand.system.processes),
        limits=stand.limits.name,
        described=_described(stand),
        count=load.count,
        finished=finished,
        rate=load.rate,
        began=began,
        load=(load_before, os.getloadavg()[0]),
        **_spreads(times, load.count),
        writes=_each(account.writes, load.count),
        reads=_each(account.reads, load.count),
        refused=dict(account.refused),
        cpu_ms=_milliseconds(end.since(start, idle), load.count),
        cpu_ms_to_child=_milliseconds(marks.since(start, idle), load.count),
        idle=idle,
        memory_mib=stand.memory(),
    )


async def _phases(stand: Stand, load: Load, client: Client) -> Sample:
    """Let all objects live; the CPU used once all had their first pod."""
    tail, kubelet = stand.tail(), Kubelet(client, NAMESPACE)
    names = [name_of(number) for number in range(load.count)]

    async def create(name: str) -> None:
        await client.call("POST", stand.path, stand.system.render(name, NAMESPACE))

    if load.rate is None:
        await in_burst(names, create)
    else:
        await in_open_loop(names, create, load.rate)
    there: Sample | None = None
    messages = stand.system.message_texts
    for number, message in enumerate(messages, 1):
        await for_writes(tail, "create", "pods", number * load.count)
        there = there or stand.sample()
        await for_quiet(tail)
        pods = await kubelet.open_pods()
        await kubelet.run(pods)
        await for_quiet(tail)
        if number == len(messages):
            pods = pods[: round(load.count * load.finished_share)]
        await kubelet.end(pods, message)
        if number == len(messages):
            await for_quiet(tail)
    return there or stand.sample()


async def _check(stand: Stand, client: Client, finished: int) -> None:
    ended = 0
    async for item in client.items(stand.path):
        conditions = item.get("status", {}).get("conditions", ())
        ended += any(
            condition["type"] == stand.system.done and condition["status"] == "True"
            for condition in conditions
        )
    if ended != finished:
        raise BenchError(f"{ended} of {finished} objects have ended with {stand.system.done}")


def _complete(account: Account, count: int) -> list[Times]:
    times = [entry for entry in account.times.values() if entry.child and entry.pod]
    if len(times) != count:
        raise BenchError(f"the audit log tells the times of {len(times)} of {count} objects")
    return times


def _spreads(times: list[Times], count: int) -> dict[str, Any]:
    first = min(entry.created for entry in times)
    ended = [entry for entry in times if entry.last_status > entry.last_pod_ended > 0]
    return {
        "children_per_second": count / (max(entry.child for entry in times) - first),
        "pods_per_second": count / (max(entry.pod for entry in times) - first),
        "to_child": Spread.of([entry.child - entry.created for entry in times]),
        "to_child_api": Spread.of([entry.api_seconds for entry in times]),
        "to_pod": Spread.of([entry.pod - entry.created for entry in times]),
        "to_end": Spread.of([entry.last_status - entry.last_pod_ended for entry in ended]),
    }


def _described(stand: Stand) -> dict[str, str]:
    own = {
        name: process.limits.get(stand.limits.name, "not said in its file")
        for name, process in stand.system.processes.items()
    }
    return {**stand.limits.described, **own}


def _each(counts: dict[tuple[str, str, str], int], objects: int) -> dict[str, float]:
    return {" ".join(kind): count / objects for kind, count in sorted(counts.items())}


def _milliseconds(seconds: dict[str, float], objects: int) -> dict[str, float]:
    return {name: 1000 * used / objects for name, used in seconds.items()}
