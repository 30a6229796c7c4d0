"""What the liveness probe notices: a loop, a queue, a list or a watch that is dead."""

from __future__ import annotations

from typing import Any

import pytest

from preftrain_operator.edge import probe
from preftrain_operator.edge.probe import MAX_ECHO_SECONDS, MAX_KEY_SECONDS, Health
from preftrain_operator.edge.relists import Relists
from preftrain_operator.kube.port import Kind
from preftrain_operator.runtime.echo import Echo
from preftrain_operator.runtime.store import Store
from support.situations import UID, make_child, make_job


class Parts:
    """What the probe looks at, each as well as can be."""

    def __init__(self) -> None:
        self.oldest_seconds = 0.0
        self.age_seconds: float | None = 1.0
        self.period_seconds = 300.0
        self.held_seconds: float | None = 1e6
        self.now = 0.0
        self.echo = Echo(lambda: self.now)

    def fault(self) -> str | None:
        part: Any = self
        return Health(part, part, self.echo, part).fault()


def versioned(item: dict[str, Any], version: int) -> dict[str, Any]:
    return {**item, "metadata": {**item["metadata"], "resourceVersion": str(version)}}


def test_a_healthy_operator() -> None:
    """Says nothing."""
    assert Parts().fault() is None


def test_lists_that_fail() -> None:
    """Three in a row, or the first one."""
    parts = Parts()
    parts.age_seconds = 901.0
    assert "no full list has succeeded for 900 s" in str(parts.fault())
    parts.age_seconds = None
    assert "no full list" in str(parts.fault())


def test_keys_that_nobody_works_on() -> None:
    """Unless this operator only waits to lead, or leads for a moment."""
    parts = Parts()
    parts.oldest_seconds = MAX_KEY_SECONDS + 1
    assert "a key has waited" in str(parts.fault())
    parts.held_seconds = None
    assert parts.fault() is None
    parts.held_seconds = 5.0
    assert parts.fault() is None


async def test_a_loop_that_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second's sleep takes seven: something holds the loop up."""
    part: Any = Parts()
    health = Health(part, part, part.echo, part)
    for wakes_at, fault in ((7.0, "the event loop lags by 6.0 s"), (1.0, None)):
        monkeypatch.setattr(probe, "asyncio", Loop(wakes_at))
        with pytest.raises(Asleep):
            await health.run()
        assert health.fault() == fault


class Asleep(Exception):
    """For good."""


class Loop:
    """What the probe uses of asyncio: falls asleep at 0 and wakes at a certain time, once."""

    def __init__(self, wakes_at: float) -> None:
        self._wakes_at = wakes_at
        self._now = 0.0

    def get_running_loop(self) -> Loop:
        return self

    def time(self) -> float:
        return self._now

    async def sleep(self, _: float) -> None:
        if self._now:
            raise Asleep
        self._now = self._wakes_at


def test_a_watch_that_is_dead() -> None:
    """Our own write, or a list, told of an object of which the watch says nothing."""
    parts = Parts()
    store = Store(echo=parts.echo)
    store.put(Kind.JOBS, versioned(make_child(), 5))
    parts.now = MAX_ECHO_SECONDS + 2
    assert parts.fault() == "the watch of jobs has told nothing for 62 s"


def test_a_watch_that_is_late_because_nothing_answers() -> None:
    """While lists fail too, the API server is down and the watch is not to blame."""
    parts = Parts()
    parts.echo.owe(Kind.JOBS, "a", 5)
    parts.now = parts.age_seconds = 200.0
    assert parts.fault() is None


def test_what_the_watch_has_told_is_not_owed() -> None:
    """The version that was learnt, or a newer one; an older one does not count."""
    parts = Parts()
    parts.echo.owe(Kind.PODS, "a", 5)
    parts.echo.told("a", 4)
    assert parts.echo.oldest() == (Kind.PODS, 0.0)
    parts.echo.told("a", 6)
    assert parts.echo.oldest() is None


def test_what_is_gone_owes_nothing() -> None:
    """Lists notice deletions that no watch ever tells."""
    echo = Echo()
    store = Store(echo=echo)
    job = versioned(make_job(), 3)
    store.put(Kind.TRAINING_JOBS, job)
    store.remove(Kind.TRAINING_JOBS, versioned(job, 4))
    assert echo.oldest() is None
    echo.told(UID, 9)


@pytest.mark.fault(36)
def test_what_no_watch_can_tell_is_not_owed() -> None:
    """A Job whose labels somebody took away would otherwise look like a dead watch."""
    parts = Parts()
    store = Store(echo=parts.echo)
    child = versioned(make_child(), 5)
    store.put(Kind.JOBS, child)
    child["metadata"]["labels"] = {}
    store.remove(Kind.JOBS, versioned(child, 6))
    assert store.put(Kind.JOBS, versioned(child, 6), by_name=True)
    parts.now = MAX_ECHO_SECONDS + 2
    assert parts.fault() is None


@pytest.mark.parametrize(
    ("events", "relists"),
    [
        ([(None, "a"), (None, "b"), ("MODIFIED", "a")], 0),
        ([(None, "a"), (None, "b"), (None, "a"), (None, "b")], 1),
        ([(None, "a"), ("DELETED", "a"), (None, "b"), (None, "b")], 1),
        ([("ADDED", "a"), ("ADDED", "a")], 0),
    ],
)
def test_relists_are_counted(events: list[tuple[str | None, str]], relists: int) -> None:
    """Once for each list after the first."""
    counted: list[str] = []
    lists = Relists(counted.append)
    for event, uid in events:
        lists.take(Kind.PODS, event, "", uid)
    assert counted == ["pods"] * relists
