"""A small API server in memory: versions, conflicts, names, preconditions, selectors.

For tests of the operator's runtime that need faults at exact points; what a real API server
does is tested against one.
"""

from __future__ import annotations

import itertools
import marshal
from collections.abc import AsyncIterator, Callable
from typing import Any

from preftrain_operator.kube.errors import AlreadyExists, Conflict, NotFound
from preftrain_operator.kube.port import Kind, Page

Json = dict[str, Any]


class Killed(BaseException):
    """The operator's process ends here; no handler of its own may catch it."""


class FakeApi:
    """`KubePort` in memory.

    Attributes:
        writes: every write that was carried out, as (verb, kind, name).
        before_write: called with the number of the write, from 1, before it is carried out.
        after_write: called after it, before the answer is given.
        changed: called with kind, type of the watch event and the object, after every change.
    """

    def __init__(self) -> None:
        self._versions = itertools.count(1)
        self._version = 0
        self._items: dict[tuple[Kind, str, str], Json] = {}
        self.writes: list[tuple[str, Kind, str]] = []
        self.reads: list[tuple[str, Kind, str]] = []
        self.before_write: Callable[[int], None] = lambda number: None
        self.after_write: Callable[[int], None] = lambda number: None
        self.changed: Callable[[Kind, str, Json], None] = lambda kind, sort, item: None

    def put(self, kind: Kind, item: Json) -> Json:
        """Store an object as somebody else would: a new one, or a newer version."""
        item = _copy(item)
        self._version = next(self._versions)
        item["metadata"]["resourceVersion"] = str(self._version)
        self._items[kind, item["metadata"]["namespace"], item["metadata"]["name"]] = item
        self.changed(kind, "MODIFIED", _copy(item))
        stored: Json = _copy(item)
        return stored

    def take(self, kind: Kind, namespace: str, name: str) -> Json | None:
        """Delete an object as somebody else would."""
        self._version = next(self._versions)
        item = self._items.pop((kind, namespace, name), None)
        if item is not None:
            item["metadata"]["resourceVersion"] = str(self._version)
            self.changed(kind, "DELETED", _copy(item))
        return item

    @property
    def version(self) -> int:
        """Resource version of the newest change."""
        return self._version

    def items(self, kind: Kind) -> list[Json]:
        """All objects of a kind."""
        return [_copy(item) for (found, _, _), item in self._items.items() if found is kind]

    async def pages(
        self, kind: Kind, namespace: str | None, *, labels: str = "", fields: str = ""
    ) -> AsyncIterator[Page]:
        """See `KubePort`; one page, equality and existence of labels, equality of fields."""
        self.reads.append(("list", kind, ""))
        found = [
            item
            for item in self.items(kind)
            if namespace in (None, item["metadata"]["namespace"])
            and _selected(item, labels)
            and all(_field(item, term) for term in filter(None, fields.split(",")))
        ]
        yield Page(tuple(found), str(self._version))

    async def get(self, kind: Kind, namespace: str, name: str) -> Json:
        """See `KubePort`."""
        self.reads.append(("get", kind, name))
        found: Json = _copy(self._find(kind, namespace, name))
        return found

    async def create(self, kind: Kind, namespace: str, body: Json) -> Json:
        """See `KubePort`."""
        name = body["metadata"]["name"]

        def do() -> Json:
            if (kind, namespace, name) in self._items:
                raise AlreadyExists(f"{name} exists")
            item = _copy(body)
            item["metadata"] |= {
                "namespace": namespace,
                "uid": f"uid-of-{name}-{len(self.writes)}",
                "creationTimestamp": "2026-11-23T12:00:00Z",
            }
            return self.put(kind, item)

        return self._write("create", kind, name, do)

    async def patch_status(self, kind: Kind, namespace: str, name: str, patch: Json) -> Json:
        """See `KubePort`."""

        def do() -> Json:
            item = self._guarded(kind, namespace, name, patch["metadata"])
            item["status"] = _merged(item.get("status") or {}, patch["status"])
            return self.put(kind, item)

        return self._write("patch_status", kind, name, do)

    async def patch(self, kind: Kind, namespace: str, name: str, patch: Json) -> Json:
        """See `KubePort`."""

        def do() -> Json:
            item = self._guarded(kind, namespace, name, patch["metadata"])
            item["spec"] = _merged(item["spec"], patch["spec"])
            return self.put(kind, item)

        return self._write("patch", kind, name, do)

    async def delete(
        self, kind: Kind, namespace: str, name: str, uid: str, *, foreground: bool
    ) -> Json:
        """See `KubePort`; dependents are deleted at once."""

        def do() -> Json:
            item = self._guarded(kind, namespace, name, {"uid": uid})
            self.take(kind, namespace, name)
            for pod in self.items(Kind.PODS):
                owners = pod["metadata"].get("ownerReferences", ())
                if any(owner["uid"] == item["metadata"]["uid"] for owner in owners):
                    self.take(Kind.PODS, namespace, pod["metadata"]["name"])
            return {"kind": "Status"}

        return self._write("delete", kind, name, do)

    def _write(self, verb: str, kind: Kind, name: str, do: Callable[[], Json]) -> Json:
        number = len(self.writes) + 1
        self.before_write(number)
        answer = do()
        self.writes.append((verb, kind, name))
        self.after_write(number)
        return answer

    def _find(self, kind: Kind, namespace: str, name: str) -> Json:
        item = self._items.get((kind, namespace, name))
        if item is None:
            raise NotFound(f"{name} not found", 404)
        return item

    def _guarded(self, kind: Kind, namespace: str, name: str, expected: Json) -> Json:
        item: Json = _copy(self._find(kind, namespace, name))
        for field in ("uid", "resourceVersion"):
            if field in expected and expected[field] != item["metadata"][field]:
                raise Conflict(f"{name}: another {field}", 409)
        return item


def _copy(value: Any) -> Any:
    """A copy of plain data. Most of the work here is copying, and this is the fastest way."""
    return marshal.loads(marshal.dumps(value))  # noqa: S302  # written just now


def _merged(old: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(old) if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merged(merged.get(key), value)
    return merged


def _field(item: Json, term: str) -> bool:
    path, _, wanted = term.partition("=")
    found: Any = item
    for part in path.split("."):
        found = found.get(part, {})
    return bool(found == wanted)


def _selected(item: Json, selector: str) -> bool:
    labels = item["metadata"].get("labels") or {}
    for term in filter(None, selector.split(",")):
        key, equals, value = term.partition("=")
        if key not in labels or (equals and labels[key] != value):
            return False
    return True
