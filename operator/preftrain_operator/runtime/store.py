"""The operator's memory of the cluster: trimmed objects, indexed by the job they belong to.

Filled by watches, lists and the answers to its own writes alike; whichever comes last in
the API server's order wins, whatever order they arrive in.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
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
        self._items: dict[Kind, dict[str, Json]] = {kind: {} for kind in CACHED}
        self._children: dict[Kind, dict[str, set[str]]] = {Kind.JOBS: {}, Kind.PODS: {}}
        self._tombstones: OrderedDict[str, int] = OrderedDict()
        self._last_states: dict[str, dict[str, Json]] = {}
        self._reports: dict[str, Report] = {}
        self._readings = Readings()
        self._keys: dict[str, str] = {}

    def put(self, kind: Kind, item: Json, *, by_name: bool = False) -> bool:
        """Take in an object; False when what is known is as new or newer.

        `by_name` says that it was read by its name just now. A watch tells of an object that loses
        its labels as of a deleted one, in the very version that a look then finds.
        """
        metadata = item["metadata"]
        uid, version = metadata["uid"], version_of(item)
        known = self._items[kind].get(uid)
        if known is not None and version <= version_of(known):
            return False
        buried = self._tombstones.get(uid, -1)
        if version < buried or (version == buried and not by_name):
            return False
        # Whose child it is does not change, whatever becomes of its labels and its owner.
        key = self._keys.get(uid) or self._key_of(kind, item)
        if key is None:
            return False
        trimmed = trim(kind, item)
        self._items[kind][uid] = trimmed
        self._keys[uid] = key
        if kind is not Kind.TRAINING_JOBS:
            self._children[kind].setdefault(key, set()).add(uid)
        else:
            self._forget_accounted(key, item)
        if is_told(kind, item):
            self._echo.owe(kind, uid, version)
        if known is None or not _looks_alike(known, trimmed):
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
        known = self._items[kind].pop(uid, None)
        if kind is Kind.PODS:
            self._keep_last_state(item)
        if known is None:
            return False
        key = self._keys.pop(uid)
        if kind is Kind.TRAINING_JOBS:
            self._reports.pop(key, None)
            self._last_states.pop(key, None)
            self._readings.forget(key)
        else:
            children = self._children[kind].get(key, set())
            children.discard(uid)
            if not children:
                self._children[kind].pop(key, None)
        self._changed(key)
        return True

    def replace(
        self, kind: Kind, items: Iterable[Json], version: int, *, key: str | None = None
    ) -> tuple[int, int, int]:
        """Make the caches agree with a list as of `version`: of one job's children for `key`,
        else of the whole kind.

        Returns:
            How many objects were added, changed and removed. What is newer than the list
            stays: it was created or changed after. So does, for `key`, a child that a list cannot
            tell of; it has to be read by its name.
        """
        known = set(self._items[kind]) if key is None else set(self._children[kind].get(key, ()))
        added = changed = removed = 0
        listed = set()
        for item in items:
            uid = item["metadata"]["uid"]
            listed.add(uid)
            if self.put(kind, item):
                added, changed = added + (uid not in known), changed + (uid in known)
        for uid in known - listed:
            item = self._items[kind][uid]
            if version_of(item) <= version and (key is None or is_told(kind, item)):
                removed += self.remove(kind, item)
        return added, changed, removed

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

    def count(self, kind: Kind) -> int:
        """How many objects of a kind are known."""
        return len(self._items[kind])

    def jobs(self) -> Iterable[Json]:
        """All PreferenceTrainingJobs known."""
        return tuple(self._items[Kind.TRAINING_JOBS].values())

    def put_report(self, key: str, report: Report) -> None:
        """Keep what a training pod said, for the next decision."""
        self._reports[key] = report
        self._changed(key)

    def snapshot(
        self, key: str, *, refusal: Refusal | None = None, live: bool = False
    ) -> Observed | None:
        """Everything known of one job; None when the job is not."""
        job = self._items[Kind.TRAINING_JOBS].get(key)
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

    def _keep_last_state(self, item: Json) -> None:
        uid = item["metadata"]["uid"]
        key = self._keys.get(uid) or self._key_of(Kind.PODS, item)
        job = self._items[Kind.TRAINING_JOBS].get(key) if key is not None else None
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
        return [self._items[kind][uid] for uid in self._children[kind].get(key, ())]


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


def version_of(item: Json) -> int:
    """The object's place in the API server's order; resource versions of one kind compare
    as integers (Kubernetes API conventions since 1.35).
    """
    return int(item["metadata"]["resourceVersion"])
