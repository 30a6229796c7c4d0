"""Carries a plan out, in an order in which every crash in between is repaired by deciding
again: Events, status, the Job to create, Jobs to stop, Jobs to delete.
"""

import hashlib
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from preftrain_api import group
from preftrain_operator.core.conditions import MAX_MESSAGE, clip
from preftrain_operator.core.milestones import milestones
from preftrain_operator.core.observed import STOP_SECONDS, Observed, Refusal, controller_of
from preftrain_operator.core.plan import Deletion, EventNote, JobManifest, JobTarget, Plan
from preftrain_operator.kube.errors import AlreadyExists, Conflict, Denied, Invalid, NotFound
from preftrain_operator.kube.port import Json, Kind, KubePort
from preftrain_operator.runtime.meter import Meter
from preftrain_operator.runtime.store import Store

COMPONENT: Final = "preftrain-operator"
_logger = logging.getLogger(__name__)


class Executor:
    """Writes to the API server and takes every answer into the store."""

    def __init__(
        self, kube: KubePort, store: Store, meter: Meter, clock: Callable[[], datetime]
    ) -> None:
        self._kube = kube
        self._store = store
        self._meter = meter
        self._clock = clock
        self._pruned: dict[str, Json] = {}

    async def execute(self, observed: Observed, plan: Plan) -> Refusal | None:
        """Carry `plan` out.

        Returns:
            Why the Job could not be created, when that is for people to solve.

        Raises:
            Conflict: the resource, or a Job to stop, has changed since `observed`.
            KubeError: any other failure; deciding again goes on where this stopped.
        """
        revision = (plan.status or observed.status).run_revision or observed.raw_revision
        for note in plan.events:
            await self._post(observed, revision, note)
        if plan.status is not None:
            await self._write_status(observed, plan)
        refusal = None
        if plan.create is not None:
            if plan.status is None:
                await self._check_alive(observed)
            refusal = await self._create(observed, plan.create)
        for target in plan.stops:
            await self._stop(observed, target)
        for deletion in plan.deletes:
            await self._delete(observed, deletion)
        return refusal

    async def _post(self, observed: Observed, revision: int, note: EventNote) -> None:
        body = event_body(observed, revision, note, self._clock())
        try:
            await self._kube.create(Kind.EVENTS, observed.namespace, body)
        except AlreadyExists:
            # Posted before a crash, or by the other operator.
            return
        except (Denied, Invalid, NotFound) as error:
            # An Event is a courtesy; a namespace that ends, or lacking rights, must not stop
            # the work.
            _logger.warning("Event %s was not posted: %s", note.reason, error)

    async def _write_status(self, observed: Observed, plan: Plan) -> None:
        if plan.status is None:
            return
        patch = merge_patch(observed.status.plain(), plan.status.plain())
        if self._pruned.get(observed.uid) == patch:
            return
        body = {
            "metadata": {"uid": observed.uid, "resourceVersion": observed.resource_version},
            "status": patch,
        }
        answer = await self._kube.patch_status(
            Kind.TRAINING_JOBS, observed.namespace, observed.name, body
        )
        self._store.put(Kind.TRAINING_JOBS, answer)
        if answer["metadata"]["resourceVersion"] != observed.resource_version:
            self._pruned.pop(observed.uid, None)
            self._meter.passed(milestones(observed, plan.status))
            return
        # Nothing was stored: the kind that is installed has none of these members.
        self._pruned[observed.uid] = patch
        _logger.warning(
            "status.%s was not kept: the installed kind is older than this operator; apply "
            "crds/preferencetrainingjobs.yaml",
            ", status.".join(sorted(patch)),
        )

    async def _check_alive(self, observed: Observed) -> None:
        """A create that no status write precedes could come from a stale view of a resource
        that was deleted, perhaps made anew.
        """
        live = await self._kube.get(Kind.TRAINING_JOBS, observed.namespace, observed.name)
        metadata = live["metadata"]
        if metadata["uid"] != observed.uid or "deletionTimestamp" in metadata:
            raise NotFound(f"{observed.namespace}/{observed.name} was deleted")
        self._store.put(Kind.TRAINING_JOBS, live)
        if metadata["resourceVersion"] != observed.resource_version:
            raise Conflict(f"{observed.namespace}/{observed.name} has changed")

    async def _create(self, observed: Observed, manifest: JobManifest) -> Refusal | None:
        name = manifest["metadata"]["name"]
        try:
            answer = await self._kube.create(Kind.JOBS, observed.namespace, manifest)
        except AlreadyExists:
            answer = await self._kube.get(Kind.JOBS, observed.namespace, name)
            if controller_of(answer) != observed.uid:
                return Refusal(name, "NameTaken", f"Job {name} belongs to another owner")
            self._store.put(Kind.JOBS, answer, by_name=True)
            return None
        except Denied as error:
            return Refusal(name, "Denied", str(error))
        except Invalid as error:
            return Refusal(name, "Invalid", str(error))
        self._store.put(Kind.JOBS, answer)
        return None

    async def _stop(self, observed: Observed, target: JobTarget) -> None:
        known = self._store.get(Kind.JOBS, target.uid)
        if known is None:
            return
        # The UID alone would not do: another UID in a patch is an invalid edit, no conflict.
        version = known["metadata"]["resourceVersion"]
        patch = {
            "metadata": {"uid": target.uid, "resourceVersion": version},
            "spec": {"activeDeadlineSeconds": STOP_SECONDS},
        }
        try:
            answer = await self._kube.patch(Kind.JOBS, observed.namespace, target.name, patch)
        except NotFound:
            self._forget(target)
            return
        self._store.put(Kind.JOBS, answer)

    async def _delete(self, observed: Observed, deletion: Deletion) -> None:
        target = deletion.target
        try:
            answer = await self._kube.delete(
                Kind.JOBS,
                observed.namespace,
                target.name,
                target.uid,
                foreground=deletion.foreground,
            )
        except (NotFound, Conflict):
            self._forget(target)
            return
        if answer.get("kind") == Kind.JOBS.kind:
            self._store.put(Kind.JOBS, answer)
        else:
            self._forget(target)

    def _forget(self, target: JobTarget) -> None:
        known = self._store.get(Kind.JOBS, target.uid)
        if known is not None:
            self._store.remove(Kind.JOBS, known)


def event_body(observed: Observed, revision: int, note: EventNote, now: datetime) -> Json:
    """An Event whose name is decided by what it tells, so that telling it twice is impossible."""
    identity = f"{observed.uid}/{revision}/{note.key}"
    digest = hashlib.sha256(identity.encode()).hexdigest()[:16]
    time = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{observed.name}.{digest}", "namespace": observed.namespace},
        "involvedObject": {
            "apiVersion": group.API_VERSION,
            "kind": group.KIND,
            "namespace": observed.namespace,
            "name": observed.name,
            "uid": observed.uid,
        },
        "reason": note.reason,
        "message": clip(note.message, MAX_MESSAGE),
        "type": "Warning" if note.warning else "Normal",
        "count": 1,
        "firstTimestamp": time,
        "lastTimestamp": time,
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
        "reportingInstance": COMPONENT,
    }


def merge_patch(old: Any, new: Any) -> Any:
    """The JSON merge patch (RFC 7396) that turns `old` into `new`.

    Made from what this operator understands, so fields of a newer one are left alone.
    """
    patch: dict[str, Any] = {key: None for key in old if key not in new}
    for key, value in new.items():
        before = old.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            inner = merge_patch(before, value)
            if inner:
                patch[key] = inner
        elif key not in old or before != value:
            patch[key] = value
    return patch
