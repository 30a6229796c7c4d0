"""Pods that use one store at the same time, in a given order of their requests."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ParamSpec, TypeVar

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from preftrain_trainer.places.store import ANYTHING, Condition, ObjectStore, StoredObject

PODS = ("old", "new", "newest")
_P = ParamSpec("_P")
_R = TypeVar("_R")


class Turns:
    """Lets one thread at a time do one request, in a given order.

    A thread whose turn it is may be busy computing; the others wait for its request, so that a
    schedule means the same whenever it is played.
    """

    def __init__(self, order: list[str]) -> None:
        self._order = order
        self._alive = set(PODS)
        self._changed = threading.Condition()

    def take(self, name: str, request: Callable[[], _R]) -> _R:
        """Do a request when it is this thread's turn."""
        with self._changed:
            self._changed.wait_for(lambda: self._next() in (name, None))
            if self._order:
                self._order.pop(0)
            try:
                return request()
            finally:
                self._changed.notify_all()

    def leave(self, name: str) -> None:
        """This thread makes no more requests."""
        with self._changed:
            self._alive.discard(name)
            self._changed.notify_all()

    def _next(self) -> str | None:
        while self._order and self._order[0] not in self._alive:
            self._order.pop(0)
        return self._order[0] if self._order else None


class InTurns:
    """A pod's way to the store: every request waits for its turn.

    What a file's upload consists of is one request here, because only the last one of them
    changes what others see.
    """

    def __init__(self, store: ObjectStore, turns: Turns, name: str) -> None:
        self._store, self._turns, self._name = store, turns, name
        self.url = store.url

    def _turn(self, request: Callable[_P, _R], *arguments: _P.args, **more: _P.kwargs) -> _R:
        return self._turns.take(self._name, lambda: request(*arguments, **more))

    def get(self, key: str) -> tuple[bytes, str] | None:
        return self._turn(self._store.get, key)

    def head(self, key: str) -> StoredObject | None:
        return self._turn(self._store.head, key)

    def digest(self, key: str) -> str | None:
        return self._turn(self._store.digest, key)

    def fetch(self, key: str, path: Path) -> bool:
        return self._turn(self._store.fetch, key, path)

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        return iter(self._turn(lambda: [*self._store.list(prefix)]))

    def put(self, key: str, data: bytes, condition: Condition = ANYTHING) -> bool:
        return self._turn(self._store.put, key, data, condition)

    def put_file(self, key: str, path: Path, sha256: str, condition: Condition = ANYTHING) -> bool:
        return self._turn(self._store.put_file, key, path, sha256, condition)

    def delete(self, key: str) -> None:
        self._turn(self._store.delete, key)

    def discard_unfinished(self) -> None:
        self._turn(self._store.discard_unfinished)


# A run of one pod's requests that the others do not interrupt, again and again: the dangerous
# schedules stall one pod for as long as another one needs for nearly everything.
ORDERS = st.lists(
    st.tuples(st.sampled_from(PODS), st.integers(1, 14)), min_size=4, max_size=14
).map(lambda runs: [name for name, length in runs for _ in range(length)])


def in_any_order(examples: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Play a test for that many orders of requests, the same ones every time.

    It gets `order`, and `other_run`: whether what the pods bring differs.
    """

    def given_orders(test: Callable[..., None]) -> Callable[..., None]:
        chosen = settings(
            max_examples=examples,
            deadline=None,
            derandomize=True,
            suppress_health_check=[HealthCheck.function_scoped_fixture],
        )
        return given(order=ORDERS, other_run=st.booleans())(chosen(test))

    return given_orders


def all_at_once(order: list[str], pod: Callable[[str, Turns], None]) -> None:
    """Let every pod do its work, in this order of requests."""
    turns = Turns(order)

    def work(name: str) -> None:
        try:
            pod(name, turns)
        finally:
            turns.leave(name)

    threads = [threading.Thread(target=work, args=(name,)) for name in PODS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
