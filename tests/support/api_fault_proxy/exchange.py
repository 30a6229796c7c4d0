"""One request of the operator, as far as a fault may depend on it, and its answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request.

    Attributes:
        number: of the write, from 1 on; 0 for a read.
        method: HTTP method.
        path: without the query.
        query: the parameters.
        headers: those that are passed on.
        body: of the request.
    """

    number: int
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_write(self) -> bool:
        """Whether it could change something."""
        return self.method in WRITES

    @property
    def is_watch(self) -> bool:
        """Whether its answer is a stream of events."""
        return self.query.get("watch") in ("true", "1")

    @property
    def is_list(self) -> bool:
        """Whether it reads all objects of a kind."""
        return self.method == "GET" and bool(self.resource) and not (self.name or self.is_watch)

    @property
    def is_cache_fill(self) -> bool:
        """Whether it is a list or a watch that fills the operator's caches. A look at the
        children of one job, which names its UID, is not: it is asked for to be fresh.
        """
        selects_one = "preftrain.dev/job-uid=" in self.query.get("labelSelector", "")
        return (self.is_list or self.is_watch) and not selects_one

    @property
    def resource(self) -> str:
        """Plural name, as `jobs`; empty for what is no object."""
        return self._parts()[0]

    @property
    def name(self) -> str:
        """Of the object; empty for a list or a creation."""
        return self._parts()[1]

    def asking(self, **query: str) -> Exchange:
        """The same request with other parameters."""
        return replace(self, query={**self.query, **query})

    def _parts(self) -> tuple[str, str]:
        parts = self.path.strip("/").split("/")
        rest = parts[2:] if parts[0] == "api" else parts[3:]
        if len(rest) > 2 and rest[0] == "namespaces":
            rest = rest[2:]
        resource, name, *_ = [*rest, "", ""]
        return resource, name


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class CutError(Exception):
    """The connection is to be cut without an answer."""


Forward: TypeAlias = Callable[[Exchange], Awaitable[Reply]]
"""Asks the API server."""
Action: TypeAlias = Callable[[Exchange, Forward], Awaitable[Reply]]
"""What becomes of a request."""
