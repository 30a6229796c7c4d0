"""Waits for what the audit log tells, without asking the API server anything."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from bench.operator.audit import Tail
from bench.operator.errors import BenchError
from cluster.report import Heartbeat

QUIET_SECONDS: Final = 2.0
"""As long as this without a write, and a system has nothing left to do: twice the second for
which the Job controller collects changes."""
_POLL_SECONDS: Final = 0.1
_STUCK_SECONDS: Final = 90.0


async def for_writes(tail: Tail, verb: str, resource: str, count: int) -> None:
    """Wait until there were `count` successful writes of a kind.

    Raises:
        BenchError: nothing at all was written for a minute and a half.
    """
    heart = Heartbeat(f"{verb} {resource}")
    last, since = -1, time.monotonic()
    while True:
        tail.poll()
        there = tail.counts[verb, resource]
        if there >= count:
            return
        heart.beat(f"{there} of {count}")
        if tail.total != last:
            last, since = tail.total, time.monotonic()
        elif time.monotonic() - since > _STUCK_SECONDS:
            raise BenchError(f"stuck at {there} of {count}: {verb} {resource}")
        await asyncio.sleep(_POLL_SECONDS)


async def for_quiet(tail: Tail, seconds: float = QUIET_SECONDS) -> None:
    """Wait until nothing has been written for a while."""
    heart = Heartbeat("waiting until writes are quiet")
    tail.poll()
    last, since = tail.total, time.monotonic()
    while time.monotonic() - since < seconds:
        await asyncio.sleep(_POLL_SECONDS)
        tail.poll()
        heart.beat(f"{tail.total} writes so far")
        if tail.total != last:
            last, since = tail.total, time.monotonic()
