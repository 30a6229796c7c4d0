"""What may become of a watch: when its events are sent on, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TypeAlias

Schedule: TypeAlias = Callable[[Random], list[float]]
"""Seconds after which an event is sent, once for each; none for a lost event."""


def undisturbed(_: Random) -> list[float]:
    """At once, once."""
    return [0.0]


def dropped(dice: Random) -> list[float]:
    """Half of the events are lost, while later ones and bookmarks arrive."""
    return [] if dice.random() < 0.5 else [0.0]


def delayed(_: Random) -> list[float]:
    """Every event comes half a second late, in order."""
    return [0.5]


def repeated(dice: Random) -> list[float]:
    """Every event comes two to four times, the last time up to a second later."""
    return [0.0, *(dice.random() for _ in range(dice.randint(1, 3)))]


def reordered(dice: Random) -> list[float]:
    """Every event is up to a second late, so that later ones overtake it."""
    return [dice.random()]


@dataclass(frozen=True, slots=True)
class Ending:
    """How streams end before their time.

    Attributes:
        events: how many are sent before.
        last: a last line; empty for a connection that breaks.
        streams: how many of each resource's streams end so.
    """

    events: int
    last: bytes = b""
    streams: int = 1_000_000


def broken(events: int) -> Ending:
    """The connection breaks after so many events, again and again."""
    return Ending(events)


def watch_error(events: int, code: int, reason: str) -> Ending:
    """The first stream of each resource ends with an error event after so many others."""
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code}
    status |= {"reason": reason, "message": "as the test wants it"}
    line = json.dumps({"type": "ERROR", "object": status}).encode() + b"\n"
    return Ending(events, line, streams=1)
