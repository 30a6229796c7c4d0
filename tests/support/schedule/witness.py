"""Sees every change in the order of the API server, and speaks when a status says what is not so.

These laws hold at every moment, whatever the operators' caches show them.
"""

from __future__ import annotations

from preftrain_operator.kube.port import Json, Kind
from support.schedule.children import controller_of, has_ended, is_on_its_way_out

BY_DEADLINE = ("DeadlineExceeded", "StartDeadlineExceeded")
"""Reasons for which an attempt is closed first and its pod ended afterwards."""


class Witness:
    """Remembers what exists, and the last status of every resource.

    Attributes:
        queue_writes: whether the change under way is the queue's.
    """

    def __init__(self) -> None:
        self.queue_writes = False
        self._active_pods: set[str] = set()
        self._jobs: dict[str, Json] = {}
        self._owners: dict[str, str | None] = {}
        self._statuses: dict[str, Json] = {}

    def see(self, kind: Kind, sort: str, item: Json) -> None:
        """A change that was stored.

        Raises:
            AssertionError: it breaks a law.
        """
        uid = item["metadata"]["uid"]
        if kind is Kind.PODS:
            self._active_pods.discard(uid)
            if sort != "DELETED" and not has_ended(item):
                self._active_pods.add(uid)
        elif kind is Kind.JOBS:
            self._see_job(uid, sort, item)
        elif kind is Kind.TRAINING_JOBS and sort != "DELETED":
            self._see_status(uid, item.get("status") or {})

    def _see_job(self, uid: str, sort: str, item: Json) -> None:
        known = self._jobs.pop(uid, None)
        self._owners[uid] = controller_of(item)
        if sort == "DELETED":
            return
        self._jobs[uid] = item
        suspended = item["spec"].get("suspend")
        if known is not None and known["spec"].get("suspend") != suspended:
            assert self.queue_writes, "spec.suspend of a Job was not written by its queue"

    def _see_status(self, owner: str, status: Json) -> None:
        before = self._statuses.get(owner, {})
        self._statuses[owner] = status
        if before.get("runRevision") != status.get("runRevision"):
            before = {}
        self._check_references(owner, before, status)
        self._check_closed(before, status)

    def _check_references(self, owner: str, before: Json, status: Json) -> None:
        recorded = {ref["name"]: ref.get("uid") for ref in before.get("jobRefs", ())}
        names = [ref["name"] for ref in status.get("jobRefs", ())]
        for ref in status.get("jobRefs", ()):
            uid = ref.get("uid")
            if uid is not None:
                assert self._owners.get(uid) == owner, f"{ref['name']} is somebody else's"
            known = recorded.get(ref["name"])
            assert known in (None, uid), f"{ref['name']} was {known} and is said to be {uid}"
        last = before["jobRefs"][-1] if recorded else {}
        if last.get("stage") == "Train" and names[-1] not in recorded:
            left = self._alive(owner, last)
            assert left is None, f"{names[-1]} is to be started while {left} may start a pod"

    def _alive(self, owner: str, ref: Json) -> str | None:
        """The Job that a reference means, if it may still start a pod."""
        for uid, job in self._jobs.items():
            if (
                job["metadata"]["name"] == ref["name"]
                and ref.get("uid") in (None, uid)
                and self._owners[uid] == owner
                and not is_on_its_way_out(job)
            ):
                return str(ref["name"])
        return None

    def _check_closed(self, before: Json, status: Json) -> None:
        closed = {entry.get("podUid") for entry in before.get("attempts", ()) if _ended(entry)}
        for entry in status.get("attempts", ()):
            pod = entry.get("podUid")
            if _ended(entry) and pod not in closed and entry.get("reason") not in BY_DEADLINE:
                assert pod not in self._active_pods, f"{pod} has not ended"


def _ended(entry: Json) -> bool:
    return entry.get("endTime") is not None
