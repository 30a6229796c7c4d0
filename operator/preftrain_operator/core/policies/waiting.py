"""Why nothing runs yet: what a Job and its newest pod tell before anything has run."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from preftrain_api.places import parse_uri
from preftrain_api.reasons import ConditionType as Type
from preftrain_api.reasons import Reason
from preftrain_api.spec import PreferenceTrainingJobSpec
from preftrain_api.status import PreferenceTrainingJobStatus
from preftrain_operator.core.conditions import find, under_way
from preftrain_operator.core.notices import cause
from preftrain_operator.core.observed import JobView, PodView
from preftrain_operator.core.plan import EventNote, Plan
from preftrain_operator.core.situation import Situation
from preftrain_operator.core.update import updated, write_if_changed

UNSCHEDULABLE_SECONDS: Final = 10
"""A pod is called unschedulable after this time: schedulers report it in passing, too."""
SET_UP_SECONDS: Final = 20
"""A pod whose volumes are not there after this time is told. Secrets are mounted within a
second; images are pulled later and do not count."""
NO_POD_SECONDS: Final = 5
"""A Job that its controller has taken up gets a pod at once, or gets none."""
ASK_SECONDS: Final = 60.0
"""After this time the Events of what is stuck are wanted again."""
_IMAGE_REASONS: Final = frozenset(
    {
        "ErrImageNeverPull",
        "ErrImagePull",
        "ImageInspectError",
        "ImagePullBackOff",
        "InvalidImageName",
        "RegistryUnavailable",
        "SignatureValidationFailed",
    }
)
"""Reasons of kubelets (pkg/kubelet/images/types.go of Kubernetes)."""
_CONTAINER_REASONS: Final = frozenset(
    {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
)
_TOLD: Final = _IMAGE_REASONS | _CONTAINER_REASONS
_ASK: Final = "'kubectl describe "
"""Stands where the cause itself is not known, to be replaced by it."""
_NO_SECRET: Final = re.compile(r"(?i)secret \S+ not found|couldn't find key \S+ in secret")
_NO_CLAIM: Final = re.compile(r"(?i)persistentvolumeclaim")


_WAYS_OUT: Final = {
    Reason.IMAGE_PULL_FAILED: (
        "check that the image exists, and compute.imagePullSecrets where its registry asks for it"
    ),
    Reason.CONTAINER_NOT_STARTED: "check compute.image and the policies of the node",
    Reason.SECRET_MISSING: "create the Secret or the key, and the run goes on",
    Reason.UNSCHEDULABLE: (
        "free or add a node, or correct compute.resources, nodeSelector, tolerations or affinity"
    ),
    Reason.QUOTA_EXCEEDED: "raise the quota or delete what uses it up, and the run goes on",
    Reason.SERVICE_ACCOUNT_MISSING: "create it, and the run goes on",
    Reason.ADMISSION_REJECTED: "correct what is named, and the run goes on",
    Reason.VOLUME_NOT_READY: "create the claim or wait until it is bound, and the run goes on",
}
"""What may be done where Kubernetes says only what is wrong."""
_CHANGING: Final = frozenset(
    {Reason.IMAGE_PULL_FAILED, Reason.QUOTA_EXCEEDED, Reason.ADMISSION_REJECTED}
)
"""Their texts alternate or carry changing figures; not every change is worth a write."""


def why_waiting(
    situation: Situation, job: JobView, pods: tuple[PodView, ...]
) -> tuple[Reason, str] | None:
    """Reason and message when the Job is stuck; None when it is on its way."""
    if not pods:
        return _without_pod(situation, job) if _is_past(situation, _no_pod_at(job)) else None
    pod = pods[-1]
    if pod.has_ended:
        return None
    told = pod.waiting_message or pod.waiting
    if pod.waiting in _IMAGE_REASONS:
        return Reason.IMAGE_PULL_FAILED, f"{told}; {_WAYS_OUT[Reason.IMAGE_PULL_FAILED]}"
    if pod.waiting in _CONTAINER_REASONS:
        missing = _NO_SECRET.search(told) is not None
        reason = Reason.SECRET_MISSING if missing else Reason.CONTAINER_NOT_STARTED
        return reason, f"{told}; {_WAYS_OUT[reason]}"
    if _is_past(situation, _unschedulable_at(pod)):
        claim = _NO_CLAIM.search(pod.unschedulable_message) is not None
        reason = Reason.VOLUME_NOT_READY if claim else Reason.UNSCHEDULABLE
        return reason, f"{pod.unschedulable_message.rstrip('. ')}; {_WAYS_OUT[reason]}"
    if _is_past(situation, _set_up_at(pod)):
        return _without_volumes(situation, pod)
    return None


def wants_events(situation: Situation, job: JobView, pods: tuple[PodView, ...]) -> str | None:
    """UID of the Job or pod of which only Events tell what is in its way; None when they were
    asked for, or are not needed.
    """
    if situation.observed.notices is not None:
        return None
    if not pods:
        return job.uid if _is_past(situation, _no_pod_at(job)) else None
    pod = pods[-1]
    stuck = not pod.has_ended and _is_past(situation, _set_up_at(pod))
    return pod.uid if stuck and pod.waiting not in _TOLD else None


def tell(
    situation: Situation,
    status: PreferenceTrainingJobStatus,
    job: str,
    stuck: tuple[Reason, str],
) -> Plan:
    """Say why the Job of that name is stuck, with one Event for each reason."""
    reason, message = stuck
    ready = find(status.conditions, Type.READY)
    is_told = ready is not None and ready.reason == reason.value
    if is_told and ready is not None and reason in _CHANGING and _ASK not in ready.message:
        message = ready.message
    plan = write_if_changed(situation, updated(situation, status, under_way(reason, message)))
    if situation.observed.notices is not None:
        plan = replace(plan, requeue_after=ASK_SECONDS)
    if is_told:
        return plan
    event = EventNote(f"Waiting/{job}/{reason}", reason.value, message, warning=True)
    return replace(plan, events=(event,))


def waiting_dues(job: JobView, pods: tuple[PodView, ...]) -> Iterator[datetime]:
    """When the Job is to be called stuck, if nothing changes."""
    dues = [_no_pod_at(job)] if not pods else []
    dues += [at(pod) for pod in pods if not pod.has_ended for at in (_unschedulable_at, _set_up_at)]
    yield from (due for due in dues if due is not None)


def _without_pod(situation: Situation, job: JobView) -> tuple[Reason, str]:
    known = cause(situation.observed.notices or ())
    if known is not None:
        return known[0], f"Job {job.name} gets no pod: {known[1]}; {_WAYS_OUT[known[0]]}"
    return Reason.ADMISSION_REJECTED, (
        f"Job {job.name} has no pod after {NO_POD_SECONDS} s: a quota, a policy or a service "
        f"account that does not exist stands in the way; {_ASK}job {job.name}' says which"
    )


def _without_volumes(situation: Situation, pod: PodView) -> tuple[Reason, str]:
    """Without an Event that says it, all that the pod mounts is named and nothing blamed: it may
    be the network as well.
    """
    known = cause(situation.observed.notices or ())
    if known is not None:
        return known[0], f"pod {pod.name} waits: {known[1]}; {_WAYS_OUT[known[0]]}"
    secrets = sorted(set(_secrets(situation.spec)))
    claims = sorted(set(_claims(situation.spec)))
    mounted = [f"Secret {name}" for name in secrets] + [f"claim {name}" for name in claims]
    namespace = situation.observed.namespace
    wanted = f"make sure that namespace {namespace} has {', '.join(mounted)}; " if mounted else ""
    return Reason.VOLUME_NOT_READY, (
        f"pod {pod.name} still waits for its volumes or its network after {SET_UP_SECONDS} s; "
        f"{wanted}{_ASK}pod {pod.name}' says what is missing"
    )


def _is_past(situation: Situation, due: datetime | None) -> bool:
    return due is not None and due <= situation.now


def _no_pod_at(job: JobView) -> datetime | None:
    if job.started is None or job.suspended or job.deleting or job.is_finished or job.had_pods:
        return None
    return job.started + timedelta(seconds=NO_POD_SECONDS)


def _unschedulable_at(pod: PodView) -> datetime | None:
    since = pod.unschedulable_since
    return None if since is None else since + timedelta(seconds=UNSCHEDULABLE_SECONDS)


def _set_up_at(pod: PodView) -> datetime | None:
    since = pod.unready_since
    return None if since is None else since + timedelta(seconds=SET_UP_SECONDS)


def _secrets(spec: PreferenceTrainingJobSpec) -> Iterator[str]:
    for place in (spec.model, spec.dataset, spec.checkpoint, spec.output):
        if place is not None and place.secret_ref is not None:
            yield place.secret_ref.name


def _claims(spec: PreferenceTrainingJobSpec) -> Iterator[str]:
    for place in (spec.model, spec.dataset, spec.checkpoint, spec.output):
        uri = parse_uri(place.uri) if place is not None and place.uri else None
        if uri is not None and uri.scheme == "pvc":
            yield uri.root
    cache = spec.compute.cache if spec.compute else None
    if cache is not None and cache.claim_name is not None:
        yield cache.claim_name
