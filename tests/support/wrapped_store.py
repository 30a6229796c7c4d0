"""Stores that behave badly in one respect."""

from __future__ import annotations

from collections.abc import Callable

from preftrain_trainer.places.store import ANYTHING, Condition, ObjectStore


class Died(Exception):
    """The pod is gone."""


class Wrapped:
    """A store some of whose methods a test replaces."""

    def __init__(self, store: ObjectStore) -> None:
        self.url, self.get, self.head, self.digest = store.url, store.get, store.head, store.digest
        self.list, self.delete, self.fetch = store.list, store.delete, store.fetch
        self.put: Callable[..., bool] = store.put
        self.put_file: Callable[..., bool] = store.put_file
        self.discard_unfinished = store.discard_unfinished


class DiesAt(Wrapped):
    """A pod that is gone when it comes to write one object."""

    def __init__(self, store: ObjectStore, key: str) -> None:
        super().__init__(store)

        def put(at: str, data: bytes, condition: Condition = ANYTHING) -> bool:
            if at == key:
                raise Died
            return store.put(at, data, condition)

        self.put = put
