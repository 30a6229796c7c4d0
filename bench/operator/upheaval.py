"""What happens to a system full of objects: its process is killed, all objects are deleted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Final

from bench.operator.account import Account
from bench.operator.audit import read_calls
from bench.operator.errors import BenchError
from bench.operator.life import NAME_LENGTH
from bench.operator.load import BURST_CONNECTIONS, Client, connected, in_burst
from bench.operator.processes import memory_of, sample
from bench.operator.record import Deletion, Restart
from bench.operator.stand import NAMESPACE, Stand
from bench.operator.waiting import for_quiet, for_writes
from cluster.report import Heartbeat

_DOWN_SECONDS: Final = 1.0
_WINDOW_SECONDS: Final = 1.0
_REST_ABOVE_IDLE: Final = 0.03
"""CPU seconds a second above which a process still has something to do."""
_GIVE_UP_SECONDS: Final = 600.0


async def restart(
    stand: Stand, process: str, objects: int, idle: Mapping[str, float], number: int
) -> Restart:
    """Kill a process, start it again, and see how soon it serves a new object.

    Args:
        stand: with `objects` objects on it.
        process: name of the process.
        objects: how many there are.
        idle: CPU seconds a second that processes use at rest.
        number: of this restart, for the new object's name.
    """
    before = stand.memory()[process]
    stand.kill(process)
    await asyncio.sleep(_DOWN_SECONDS)
    tail = stand.tail()
    tail.poll()
    children = tail.counts["create", stand.system.child]
    started, wall = time.monotonic(), time.time()
    stand.start_process(process, wait=False)
    name = f"n-{number:05d}"
    async with connected(stand.api, BURST_CONNECTIONS) as client:
        await client.call("POST", stand.path, stand.system.render(name, NAMESPACE))
    await for_writes(tail, "create", stand.system.child, children + 1)
    quiet_seconds, cpu = await _until_rest(stand, process, started, idle.get(process, 0.0))
    await for_quiet(tail)
    account = Account(stand.resource, stand.system.child, stand.clients, NAME_LENGTH)
    old = reads = 0
    for call in read_calls(stand.audit_log, NAMESPACE):
        if call.received < wall:
            continue
        account.add(call)
        if stand.clients.name_of(call.request.user_agent) == process:
            reads += not call.request.is_write
            old += call.request.is_write and not call.name.startswith(name)
    pid = stand.pids()[process]
    return Restart(
        process=process,
        objects=objects,
        child_seconds=account.times[name].child - wall,
        quiet_seconds=quiet_seconds,
        cpu_seconds=cpu,
        memory_before_mib=before,
        memory_mib=memory_of(pid),
        peak_mib=memory_of(pid, "VmHWM"),
        reads=reads,
        writes_to_old=old,
    )


async def delete_all(stand: Stand, objects: int) -> Deletion:
    """Delete all objects in the background and wait until nothing of them is left."""
    first, began, wall = stand.sample(), time.monotonic(), time.time()
    heart = Heartbeat("deleting")
    async with connected(stand.api, BURST_CONNECTIONS) as client:
        names = [item["metadata"]["name"] async for item in client.items(stand.path)]

        async def delete(name: str) -> None:
            # One by one, as kubectl does: a single request for all ends with its time limit.
            body = {"propagationPolicy": "Background"}
            await client.call("DELETE", f"{stand.path}/{name}", body)

        await in_burst(names, delete)
        paths = (stand.path, *_children_paths())
        while left := max([await _count(client, path) for path in paths]):
            heart.beat(f"{left} left")
            if time.monotonic() - began > _GIVE_UP_SECONDS:
                raise BenchError(f"{left} objects are left ten minutes after they were deleted")
            await asyncio.sleep(0.25)
    took = time.monotonic() - began
    await for_quiet(stand.tail())
    own = stand.system.processes
    used = stand.sample().since(first)
    calls = [
        call.request
        for call in read_calls(stand.audit_log, NAMESPACE)
        if call.received >= wall and stand.clients.name_of(call.request.user_agent) in own
    ]
    return Deletion(
        objects=objects,
        seconds=took,
        own_writes=sum(request.is_write for request in calls),
        own_reads=sum(not request.is_write for request in calls),
        own_cpu_ms=1000 * sum(used[name] for name in own) / objects,
    )


async def _until_rest(
    stand: Stand, process: str, started: float, idle: float
) -> tuple[float, float]:
    """Seconds from `started` until the process is at rest, and the CPU seconds used by then."""
    pids = {process: stand.pids()[process]}
    last = sample(pids)
    while True:
        await asyncio.sleep(_WINDOW_SECONDS)
        now = sample(pids)
        if now.rates(last)[process] < idle + _REST_ABOVE_IDLE:
            return last.moment - started, last.cpu_seconds[process]
        if now.moment - started > _GIVE_UP_SECONDS:
            raise BenchError(f"{process} does not come to rest")
        last = now


async def _count(client: Client, path: str) -> int:
    page = await client.call("GET", f"{path}?limit=1")
    return len(page["items"]) + int(page["metadata"].get("remainingItemCount", 0))


def _children_paths() -> tuple[str, ...]:
    return (
        f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs",
        f"/api/v1/namespaces/{NAMESPACE}/pods",
    )
