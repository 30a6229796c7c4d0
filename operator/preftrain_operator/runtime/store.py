"""The operator's memory of the cluster: trimmed objects, indexed by the job they belong to.

Filled by watches, lists and the answers to its own writes alike; whichever comes last in
the API server's order wins, whatever order they arrive in.
"""

import sys
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterable
from typing import Final

from preftrain_api.group import LABEL_JOB_UID
from preftrain_operator.core.observed import (
    Observed,
    Refusal,
    Report,
    controller_of,
    observe,
    view_pod,
)
from preftrain_operator.kube.port import Json, Kind
from preftrain_operator.runtime.echo import Echo
from preftrain_operator.runtime.readings import Readings
from preftrain_operator.runtime.selector import is_told
from preftrain_operator.runtime.shelf import Shelf, version_of
from preftrain_operator.runtime.trim import trim

MAX_TOMBSTONES: Final = 8192
MAX_LAST_STATES: Final = 16
"""Pods of a job that are gone and may not be in its status yet; Jobs make them one by one."""
CACHED: Final = (Kind.TRAINING_JOBS, Kind.JOBS, Kind.PODS)


class Store:
    """Caches of the three kinds; all methods are plain and immediate.

    Args:
        changed: told the key (UID) of every job that something changed for.
        echo: told of every object, because the watches must tell it as well.
    """

    def __init__(
        self, changed: Callable[[str], None] = lambda key: None, echo: Echo | None = None
    ) -> None:
        self._changed = changed
        self._echo = echo or Echo()
        self._items = {kind: Shelf() for kind in CACHED}
        self._children: dict[Kind, dict[str, set[str]]] = {Kind.JOBS: {}, Kind.PODS: {}}
        self._tombstones: OrderedDict[str, int] = OrderedDict()
        self._last_states: dict[str, dict[str, Json]] = {}
        self._reports: dict[str, Report] = {}
        self._readings = Readings()
        self._keys: dict[str, str] = {}
        self._states: dict[str, str] = {}
        self._unfinished: set[str] = set()

    def put(self, kind: Kind, item: Json, *, by_name: bool = False) -> bool:
        """Take in an object; False when what is known is as new or newer.

        `by_name` says that it was read by its name just now. A watch tells of an object that loses
        its labels as of a deleted one, in the very version that a look then finds.
        """
        metadata = item["metadata"]
        uid, version = metadata["uid"], version_of(item)
        shelf = self._items[kind]
        known = shelf.version(uid)
        if known is not None and version <= known:
            return False
        buried = self._tombstones.get(uid, -1)
        if version < buried or (version == buried and not by_name):
            return False
        # Whose child it is does not change, whatever becomes of its labels and its owner.
        key = self._keys.get(uid) or self._key_of(kind, item)
        if key is None:
            return False
        before, trimmed = shelf.get(uid), trim(kind, item)
        shelf.put(uid, trimmed)
        self._keys[uid] = key
        if kind is not Kind.TRAINING_JOBS:
            self._children[kind].setdefault(key, set()).add(uid)
        else:
            self._note_state(key, item)
            self._forget_accounted(key, item)
        if is_told(kind, item):
            self._echo.owe(kind, uid, version)
        if before is None or not _looks_alike(before, trimmed):
            self._changed(key)
        return True

    def remove(self, kind: Kind, item: Json) -> bool:
        """Take out an object that was deleted; False when it was not there.

        How a pod had ended is kept until the status of its job tells it.
        """
        uid = item["metadata"]["uid"]
        self._tombstones[uid] = max(version_of(item), self._tombstones.get(uid, -1))
        while len(self._tombstones) > MAX_TOMBSTONES:
            self._tombstones.popitem(last=False)
        self._echo.forget(uid)
        known = uid in self._items[kind]
        self._items[kind].discard(uid)
        if kind is Kind.PODS:
            self._keep_last_state(item)
        if not known:
            return False
        key = self._keys.pop(uid)
        if kind is Kind.TRAINING_JOBS:
            self._reports.pop(key, None)
            self._last_states.pop(key, None)
            self._readings.forget(key)
            self._states.pop(key, None)
            self._unfinished.discard(key)
        else:
            children = self._children[kind].get(key, set())
            children.discard(uid)
            if not children:
                self._children[kind].pop(key, None)
        self._changed(key)
        return True

    def put_all(self, kind: Kind, items: Iterable[Json]) -> tuple[int, int]:
        """Take in a list, or a page of one: how many objects were added and changed."""
        added = changed = 0
        for item in items:
            is_new = item["metadata"]["uid"] not in self._items[kind]
            if self.put(kind, item):
                added, changed = added + is_new, changed + (not is_new)
        return added, changed

    def retain(
        self, kind: Kind, listed: Collection[str], version: int, *, key: str | None = None
    ) -> int:
        """Take out what is not in a list as of `version`: of one job's children for `key`, else
        of the whole kind.

        Args:
            kind: what was listed.
            listed: the UIDs in the list.
            version: what is newer than it stays; it was created or changed after.
            key: the job whose children were listed. A child that a list cannot tell of stays;
                it has to be read by its name.

        Returns:
            How many objects that were.
        """
        known = self._items[kind] if key is None else self._children[kind].get(key, ())
        removed = 0
        for uid in [uid for uid in known if uid not in listed]:
            item = self._items[kind].get(uid)
            if item is None:
                continue
            if version_of(item) <= version and (key is None or is_told(kind, item)):
                removed += self.remove(kind, item)
        return removed

    def untold(self, key: str) -> list[tuple[Kind, Json]]:
        """The children of a job of which no watch or list tells any more."""
        return [
            (kind, item)
            for kind in self._children
            for item in self._of(kind, key)
            if not is_told(kind, item)
        ]

    def get(self, kind: Kind, uid: str) -> Json | None:
        """An object by its UID."""
        return self._items[kind].get(uid)

    def uids(self, kind: Kind) -> tuple[str, ...]:
        """The UIDs of all objects of a kind that are known."""
        return tuple(self._items[kind])

    def unfinished(self) -> tuple[str, ...]:
        """The keys of the jobs whose run has not ended, or has not begun."""
        return tuple(self._unfinished)

    def states(self) -> Counter[str]:
        """How many jobs say that they are in which state."""
        return Counter(self._states.values())

    def put_report(self, key: str, report: Report) -> None:
        """Keep what a training pod said, for the next decision."""
        self._reports[key] = report
        self._changed(key)

    def snapshot(
        self, key: str, *, refusal: Refusal | None = None, live: bool = False
    ) -> Observed | None:
        """Everything known of one job; None when the job is not."""
        job = self.get(Kind.TRAINING_JOBS, key)
        if job is None:
            return None
        return observe(
            job,
            self._of(Kind.JOBS, key),
            self.pods(key),
            reading=self._readings.of(job),
            report=self._reports.get(key),
            refusal=refusal,
            live=live,
        )

    def pods(self, key: str) -> list[Json]:
        """The pods that carry a job's label, and those that are gone and not accounted for."""
        return [*self._of(Kind.PODS, key), *self._last_states.get(key, {}).values()]

    def _note_state(self, key: str, job: Json) -> None:
        status = job.get("status") or {}
        self._states[key] = sys.intern(str((status.get("display") or {}).get("state", "Unseen")))
        if status.get("completionTime") is None:
            self._unfinished.add(key)
        else:
            self._unfinished.discard(key)

    def _keep_last_state(self, item: Json) -> None:
        uid = item["metadata"]["uid"]
        key = self._keys.get(uid) or self._key_of(Kind.PODS, item)
        job = self.get(Kind.TRAINING_JOBS, key) if key is not None else None
        if key is None or job is None or not view_pod(item).has_ended:
            return
        kept = self._last_states.setdefault(key, {})
        kept[uid] = trim(Kind.PODS, item)
        if len(kept) > MAX_LAST_STATES:
            del kept[next(iter(kept))]
        self._forget_accounted(key, job)

    def _forget_accounted(self, key: str, job: Json) -> None:
        """Drop the last states that the status of `job` has no more need of."""
        kept = self._last_states.get(key)
        if kept is None:
            return
        status = job.get("status") or {}
        for uid in ended_pods(status) & kept.keys():
            del kept[uid]
        if not kept or "completionTime" in status:
            del self._last_states[key]

    def _key_of(self, kind: Kind, item: Json) -> str | None:
        """The job that an object belongs to. Owners say so; a label does for a pod that is told
        of before its Job.
        """
        if kind is Kind.TRAINING_JOBS:
            return str(item["metadata"]["uid"])
        owner = controller_of(item)
        if kind is Kind.JOBS:
            return owner
        label = (item["metadata"].get("labels") or {}).get(LABEL_JOB_UID)
        return self._keys.get(owner or "") or label

    def _of(self, kind: Kind, key: str) -> list[Json]:
        found = (self.get(kind, uid) for uid in self._children[kind].get(key, ()))
        return [item for item in found if item is not None]


def ended_pods(status: Json) -> set[str]:
    """UIDs of the pods whose end a status tells."""
    return {
        entry["podUid"]
        for entry in status.get("attempts") or ()
        if "endTime" in entry and "podUid" in entry
    }


def _looks_alike(known: Json, item: Json) -> bool:
    """Whether two versions of an object differ in nothing that a decision looks at. The Job
    controller and kubelets write much that does not: half of all events bring nothing new.
    """
    return {**known, "metadata": None} == {**item, "metadata": None} and {
        **known["metadata"],
        "resourceVersion": None,
    } == {**item["metadata"], "resourceVersion": None}
