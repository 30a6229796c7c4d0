"""What the operator sees of one PreferenceTrainingJob: itself, its Jobs, their pods.

Built from trimmed API objects; frozen, so a decision cannot change its own evidence.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from preftrain_api.progress import Progress
from preftrain_api.status import AttemptStatus, JobRef, PreferenceTrainingJobStatus
from preftrain_operator.core.names import Stage, read_job_name
from preftrain_operator.core.notices import Notice
from preftrain_operator.core.reading import SpecReading, read_leniently, read_spec

Json = Mapping[str, Any]
CONTAINER = "trainer"
STOP_SECONDS = 1
"""activeDeadlineSeconds that the operator sets on a Job to end it and keep its pods."""


@dataclass(frozen=True, slots=True)
class PodView:
    """One pod of a child Job."""

    name: str
    uid: str
    job_uid: str
    phase: str
    created: datetime
    deleting: bool = False
    ip: str | None = None
    node: str | None = None
    started: datetime | None = None
    finished: datetime | None = None
    exit_code: int | None = None
    ended_by: str = ""
    """Reason that the container gives for its end, for example OOMKilled."""
    message: str = ""
    """Termination message of the container."""
    pod_reason: str = ""
    """Reason that the node gives for the end of the whole pod, for example Evicted."""
    pod_message: str = ""
    disruption: str = ""
    """Reason for which the cluster takes the pod away; empty while it does not."""
    waiting: str = ""
    """Reason for which the container waits, for example ImagePullBackOff."""
    waiting_message: str = ""
    unschedulable_since: datetime | None = None
    unschedulable_message: str = ""
    unready_since: datetime | None = None
    """Since when the node has not set up what must be there before an image is pulled."""

    @property
    def is_running(self) -> bool:
        """Whether the container is at work."""
        return self.phase == "Running" and not self.has_ended

    @property
    def has_ended(self) -> bool:
        """Whether the container will not run again."""
        return self.exit_code is not None or self.phase in ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True)
class JobView:
    """One child Job."""

    name: str
    uid: str
    stage: Stage
    revision: int
    attempt: int
    created: datetime
    deleting: bool = False
    suspended: bool = False
    stopped: bool = False
    """Whether the operator has told it to end."""
    started: datetime | None = None
    """When it was admitted: created, or un-suspended by the queue."""
    complete: bool = False
    failed: bool = False
    ended: datetime | None = None
    """When the Job controller called it complete or failed."""
    had_pods: bool = False
    """Whether the Job controller has counted any pod."""
    failed_pods: int = 0
    """Pods that the Job controller has counted as failed; those that its pod failure policy
    ignores are not among them."""
    failure: str = ""
    failure_message: str = ""

    @property
    def is_finished(self) -> bool:
        """Whether the Job controller has called it complete or failed."""
        return self.complete or self.failed


@dataclass(frozen=True, slots=True)
class Refusal:
    """A Job that the API server would not create."""

    job: str
    kind: Literal["Denied", "Invalid", "NameTaken"]
    message: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a training pod said on /progress."""

    pod_uid: str
    progress: Progress
    time: datetime
    """When it was asked."""


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything a decision may rest on."""

    namespace: str
    name: str
    uid: str
    generation: int
    resource_version: str
    created: datetime
    deleting: bool
    reading: SpecReading
    raw_revision: int
    status: PreferenceTrainingJobStatus
    jobs: tuple[JobView, ...] = ()
    pods: tuple[PodView, ...] = ()
    report: Report | None = None
    refusal: Refusal | None = None
    notices: tuple[Notice, ...] | None = None
    """Events about the Job or pod that is stuck; None while nobody has asked for them."""
    live: bool = False
    """Whether Jobs and pods were just read from the API server, so that absence counts."""

    @property
    def current(self) -> JobRef | None:
        """The Job that the run is at: the newest one reserved."""
        return self.status.job_refs[-1] if self.status.job_refs else None

    @property
    def missing_pod(self) -> AttemptStatus | None:
        """The open attempt whose pod is recorded and not to be seen."""
        last = self.status.attempts[-1] if self.status.attempts else None
        if last is None or last.end_time is not None or last.pod_uid is None:
            return None
        return None if any(pod.uid == last.pod_uid for pod in self.pods) else last

    def job_of(self, ref: JobRef) -> JobView | None:
        """The Job that `ref` speaks of; one of the same name but another UID is not it."""
        for job in self.jobs:
            if job.name == ref.name and ref.uid in (None, job.uid):
                return job
        return None

    def gone(self, ref: JobRef) -> JobView:
        """The Job that `ref` speaks of, as far as the status remembers it, when it is not there
        any more: on its way out for good.
        """
        return JobView(
            name=ref.name,
            uid=ref.uid or "",
            stage=ref.stage,
            revision=self.status.run_revision or 1,
            attempt=ref.attempt,
            created=self.status.start_time or self.created,
            deleting=True,
        )

    def pods_of(self, job: JobView) -> tuple[PodView, ...]:
        """The Job's pods, oldest first."""
        pods = (pod for pod in self.pods if pod.job_uid == job.uid)
        return tuple(sorted(pods, key=lambda pod: (pod.created, pod.name)))


@dataclass(frozen=True, slots=True)
class JobReading:
    """A resource's spec and status, understood as far as possible."""

    spec: SpecReading
    status: PreferenceTrainingJobStatus


def read_job(job: Json) -> JobReading:
    """Read a resource; the dearest part of a look, and the same for equal resources."""
    status = read_leniently(PreferenceTrainingJobStatus, job.get("status") or {})
    return JobReading(read_spec(job.get("spec") or {}), status or PreferenceTrainingJobStatus())


def observe(
    job: Json,
    children: Iterable[Json] = (),
    pods: Iterable[Json] = (),
    *,
    reading: JobReading | None = None,
    report: Report | None = None,
    refusal: Refusal | None = None,
    live: bool = False,
) -> Observed:
    """Build the view from API objects; Jobs of another owner and foreign pods are left out.

    `reading` is what `read_job` says of `job`, if that is known already. A pod stays in the view
    when its Job is gone, as long as the status knows that Job.
    """
    metadata = job["metadata"]
    reading = reading or read_job(job)
    status = reading.status
    views = tuple(
        view
        for view in (
            view_job(child, metadata["name"])
            for child in children
            if controller_of(child) == metadata["uid"]
        )
        if view is not None
    )
    uids = {view.uid for view in views} | {ref.uid for ref in status.job_refs if ref.uid}
    revision = (job.get("spec") or {}).get("runRevision", 1)
    return Observed(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        generation=metadata.get("generation", 0),
        resource_version=metadata["resourceVersion"],
        created=instant(metadata["creationTimestamp"]),
        deleting="deletionTimestamp" in metadata,
        reading=reading.spec,
        raw_revision=revision if isinstance(revision, int) else 1,
        status=status,
        jobs=tuple(sorted(views, key=lambda view: (view.revision, view.attempt))),
        pods=tuple(view_pod(pod) for pod in pods if controller_of(pod) in uids),
        report=report,
        refusal=refusal,
        live=live,
    )


def instant(text: str) -> datetime:
    """An RFC 3339 time."""
    return datetime.fromisoformat(text)


def controller_of(item: Json) -> str | None:
    """UID of the owner that controls `item`."""
    for owner in item["metadata"].get("ownerReferences") or ():
        if owner.get("controller"):
            return str(owner["uid"])
    return None


def view_job(item: Json, owner: str) -> JobView | None:
    """The view of a Job of the resource `owner`; None when its name is not the operator's."""
    metadata, spec, status = item["metadata"], item.get("spec") or {}, item.get("status") or {}
    told = read_job_name(metadata["name"], owner)
    if told is None:
        return None
    revision, stage, attempt = told
    failed, complete = _condition(status, "Failed"), _condition(status, "Complete")
    uncounted = status.get("uncountedTerminatedPods") or {}
    return JobView(
        name=metadata["name"],
        uid=metadata["uid"],
        stage=stage,
        revision=revision,
        attempt=attempt,
        created=instant(metadata["creationTimestamp"]),
        deleting="deletionTimestamp" in metadata,
        suspended=bool(spec.get("suspend")),
        stopped=spec.get("activeDeadlineSeconds") == STOP_SECONDS,
        started=_optional(status.get("startTime")),
        complete=complete is not None,
        failed=failed is not None,
        ended=_optional((failed or complete or {}).get("lastTransitionTime")),
        had_pods=any(status.get(count) for count in ("active", "failed", "succeeded")),
        # A pod is written down there first, and counted when its finalizer is gone.
        failed_pods=(status.get("failed") or 0) + len(uncounted.get("failed") or ()),
        failure=(failed or {}).get("reason", ""),
        failure_message=(failed or {}).get("message", ""),
    )


def view_pod(item: Json) -> PodView:
    """The view of a pod of a child Job."""
    metadata, status = item["metadata"], item.get("status") or {}
    container: Json = next(
        (entry for entry in status.get("containerStatuses") or () if entry["name"] == CONTAINER), {}
    )
    state = container.get("state") or {}
    terminated, waiting = state.get("terminated") or {}, state.get("waiting") or {}
    running = state.get("running") or {}
    unschedulable = _condition(status, "PodScheduled", "False") or {}
    if unschedulable.get("reason") != "Unschedulable":
        unschedulable = {}
    unready = _condition(status, "PodReadyToStartContainers", "False") or {}
    disruption = _condition(status, "DisruptionTarget")
    exit_code = terminated.get("exitCode")
    created = instant(metadata["creationTimestamp"])
    started = _optional(
        running.get("startedAt") or terminated.get("startedAt") or status.get("startTime")
    )
    return PodView(
        name=metadata["name"],
        uid=metadata["uid"],
        job_uid=controller_of(item) or "",
        phase=status.get("phase", "Pending"),
        created=created,
        deleting="deletionTimestamp" in metadata,
        ip=status.get("podIP"),
        node=(item.get("spec") or {}).get("nodeName"),
        # A node's clock may be behind; no pod has run before the API server knew of it.
        started=None if started is None else max(started, created),
        finished=_optional(terminated.get("finishedAt")),
        exit_code=exit_code if exit_code is None else max(0, min(255, int(exit_code))),
        ended_by=terminated.get("reason", ""),
        message=terminated.get("message", ""),
        pod_reason=status.get("reason", ""),
        pod_message=status.get("message", ""),
        disruption="" if disruption is None else disruption.get("reason") or "DisruptionTarget",
        waiting=waiting.get("reason", ""),
        waiting_message=waiting.get("message", ""),
        unschedulable_since=_optional(unschedulable.get("lastTransitionTime")),
        unschedulable_message=unschedulable.get("message", ""),
        unready_since=_optional(unready.get("lastTransitionTime")),
    )


def _condition(status: Json, kind: str, wanted: str = "True") -> Json | None:
    for condition in status.get("conditions") or ():
        if condition.get("type") == kind and condition.get("status") == wanted:
            found: Json = condition
            return found
    return None


def _optional(text: str | None) -> datetime | None:
    return instant(text) if text else None
