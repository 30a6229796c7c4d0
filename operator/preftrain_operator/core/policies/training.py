"""Follows the training Job of the current attempt, and makes the next one where that helps."""

from dataclasses import replace
from typing import Final

from preftrain_api.reasons import ConditionType as Type
from preftrain_api.reasons import Reason
from preftrain_api.result import TrainResult
from preftrain_api.status import JobRef, PreferenceTrainingJobStatus
from preftrain_operator.core.attempts import (
    close_or_add,
    open_entry,
    record_endings,
    record_running,
)
from preftrain_operator.core.conditions import Truth, find, has_reason, under_way
from preftrain_operator.core.observed import JobView, PodView
from preftrain_operator.core.plan import LOOK_AGAIN, EventNote, Plan
from preftrain_operator.core.policies.creation import create_reserved
from preftrain_operator.core.policies.held import held
from preftrain_operator.core.policies.outcome import fail, succeed
from preftrain_operator.core.policies.prepare import with_uid
from preftrain_operator.core.policies.waiting import tell, wants_events, why_waiting
from preftrain_operator.core.reserve import render_training, reserve_training, waiting_reason
from preftrain_operator.core.situation import Situation
from preftrain_operator.core.told import with_progress, with_result
from preftrain_operator.core.unseen import (
    account,
    account_deleted,
    account_suspended,
    is_doubtful,
)
from preftrain_operator.core.update import refreshed, updated, write_if_changed
from preftrain_operator.core.verdict import (
    Ending,
    decisive,
    ending_of,
    ending_of_failed_job,
    has_evidence,
    reason_of_disruption,
    result_of,
)

_WAITING: Final = frozenset({Reason.PENDING, Reason.RETRYING, Reason.PREEMPTED, Reason.JOB_DELETED})
"""Reasons that stay while a new pod is on its way: each says more than Pending would."""


def follow(situation: Situation) -> Plan | None:
    """Acts on what became of the current attempt's Job and its pods."""
    observed, ref = situation.observed, situation.observed.current
    if ref is None or ref.stage == "Prepare":
        return _next_attempt(situation, situation.status, waiting_reason(situation))
    job = observed.job_of(ref)
    if job is None:
        return _missing(situation, ref) if observed.live else LOOK_AGAIN
    pods = observed.pods_of(job)
    status = situation.status
    doubtful = not has_evidence(job, pods) or (not job.deleting and is_doubtful(status, job, pods))
    if doubtful and not observed.live:
        return LOOK_AGAIN
    if is_about_to_end(job, pods):
        return Plan()
    if not job.deleting:
        status = account(situation, status, job)
    status = record_endings(situation, status, job)
    status = with_uid(status, ref, job) if status != situation.status else status
    if has_succeeded(job, pods):
        return _complete(situation, with_uid(status, ref, job), job, pods)
    if has_failed(job, pods):
        return _failed(situation, with_uid(status, ref, job), job, pods)
    if job.deleting:
        return write_if_changed(situation, refreshed(situation, status))
    if is_exhausted(situation, status):
        return exhausted(situation, status)
    running = next((pod for pod in reversed(pods) if pod.is_running), None)
    if running is not None:
        plan = _running(situation, with_uid(status, ref, job), job, running)
    else:
        plan = _waiting(situation, status, job, pods)
    return replace(plan, events=(*_endings(situation.status, status), *plan.events))


def has_succeeded(job: JobView, pods: tuple[PodView, ...]) -> bool:
    """Whether the attempt has done its work. A Job on its way out gets no condition any more,
    so its pods speak for it.
    """
    return job.complete or (
        job.deleting and any(pod.has_ended and ending_of(pod).is_success for pod in pods)
    )


def has_failed(job: JobView, pods: tuple[PodView, ...]) -> bool:
    """Whether the Job will make no further pod."""
    return job.failed or (
        job.deleting and any(pod.has_ended and ending_of(pod).is_final for pod in pods)
    )


def is_about_to_end(job: JobView, pods: tuple[PodView, ...]) -> bool:
    """Whether the Job controller will say within moments how the Job ended: to wait for that
    saves a write.
    """
    return not (job.is_finished or job.deleting) and any(
        pod.has_ended and (ending_of(pod).is_success or ending_of(pod).is_final) for pod in pods
    )


def _missing(situation: Situation, ref: JobRef) -> Plan:
    status, job = situation.status, situation.observed.gone(ref)
    pods = situation.observed.pods_of(job)
    if has_succeeded(job, pods):
        return _complete(situation, record_endings(situation, status, job), job, pods)
    if has_failed(job, pods):
        return _failed(situation, record_endings(situation, status, job), job, pods)
    entry = open_entry(status)
    if entry is None:
        return _next_attempt(situation, status, waiting_reason(situation))
    if has_reason(status.conditions, Type.SUSPENDED, Reason.SUSPENDING):
        status = account_suspended(situation, record_endings(situation, status, job))
        return _next_attempt(situation, status, waiting_reason(situation))
    if ref.uid is None and entry.pod_uid is None:
        return create_reserved(situation, render_training(situation, status, ref.attempt))
    status = account_deleted(situation, status, job)
    return _next_attempt(situation, status, Reason.JOB_DELETED)


def _next_attempt(
    situation: Situation, status: PreferenceTrainingJobStatus, reason: Reason
) -> Plan:
    if is_exhausted(situation, status):
        return exhausted(situation, status)
    if situation.spec.suspend:
        return held(situation, status)
    last = status.attempts[-1] if status.attempts else None
    status, manifest = reserve_training(situation, status)
    status = updated(situation, status, under_way(reason, (last.message if last else "") or ""))
    if last is None:
        return Plan(status=status, create=manifest)
    key = f"Retrying/{status.attempts[-1].number}"
    message = f"attempt {status.attempts[-1].number} follows; the last ended with {last.reason}"
    event = EventNote(key, reason.value, message, warning=bool(last.counted))
    return Plan(status=status, create=manifest, events=(event,))


def _complete(
    situation: Situation,
    status: PreferenceTrainingJobStatus,
    job: JobView,
    pods: tuple[PodView, ...],
) -> Plan:
    pod = decisive(job, pods)
    result = result_of(pod, TrainResult) if pod else None
    if pod is None:
        done = Ending(Reason.COMPLETED, Reason.COMPLETED.text, exit_code=0, is_counted=False)
        status = close_or_add(situation, status, job, done, job.ended)
    if result is None:
        message = "the adapter is published; the pod's result could not be read, see manifest.json"
        return succeed(situation, status, Reason.SUCCEEDED, artifact=None, message=message)
    status = with_result(status, result)
    reason = Reason.SUCCEEDED if result.gates_judged else Reason.PUBLISHED_UNEVALUATED
    return succeed(
        situation, status, reason, artifact=result.artifact, message=result.message or reason.text
    )


def _failed(
    situation: Situation,
    status: PreferenceTrainingJobStatus,
    job: JobView,
    pods: tuple[PodView, ...],
) -> Plan:
    pod = decisive(job, pods)
    ending = ending_of(pod) if pod else ending_of_failed_job(job)
    if pod is None:
        status = close_or_add(situation, status, job, ending, job.ended)
    if ending.is_final:
        result = result_of(pod, TrainResult) if pod else None
        status = with_result(status, result) if result else status
        return fail(situation, status, ending.reason, ending.message)
    if job.deleting:
        return write_if_changed(situation, refreshed(situation, status))
    return _next_attempt(situation, status, Reason.RETRYING)


def is_exhausted(situation: Situation, status: PreferenceTrainingJobStatus) -> bool:
    """Whether more attempts have failed than the user allows."""
    return status.retries > situation.spec.max_retries


def exhausted(situation: Situation, status: PreferenceTrainingJobStatus) -> Plan:
    """The run fails, with the last failure in the message."""
    last = status.attempts[-1] if status.attempts else None
    told = f"{last.reason}: {last.message}" if last else "unknown"
    message = (
        f"{status.retries} attempts failed and spec.maxRetries is {situation.spec.max_retries}; "
        f"the last one: {told}"
    )
    return fail(situation, status, Reason.BACKOFF_LIMIT_EXCEEDED, message)


def _running(
    situation: Situation, status: PreferenceTrainingJobStatus, job: JobView, pod: PodView
) -> Plan:
    known = any(entry.pod_uid == pod.uid for entry in situation.status.attempts)
    status = record_running(status, job, pod)
    if pod.disruption:
        return _disrupted(situation, status, pod)
    notes = under_way(Reason.TRAINING, running="True")
    report = situation.observed.report
    if report is not None and report.pod_uid == pod.uid:
        status = with_progress(status, report)
    status = updated(situation, status, notes, state="Training")
    if known:
        return write_if_changed(situation, status)
    message = f"pod {pod.name} runs attempt {job.attempt} on node {pod.node}"
    event = EventNote(f"Training/{pod.uid}", Reason.TRAINING.value, message)
    return Plan(status=status, events=(event,))


def _disrupted(situation: Situation, status: PreferenceTrainingJobStatus, pod: PodView) -> Plan:
    """The cluster takes the pod away; it may have a while to save, or its node may be lost."""
    reason = reason_of_disruption(pod)
    is_lost = reason is Reason.NODE_LOST
    running: Truth = "Unknown" if is_lost else "True"
    which = f"pod {pod.name} on node {pod.node} ({pod.disruption})"
    told = (
        f"the node of {which} does not answer, is gone or is being emptied"
        if is_lost
        else f"the cluster takes {which} away"
    )
    message = f"{told}; once the pod has ended, another follows, which is not counted"
    plan = write_if_changed(
        situation, updated(situation, status, under_way(reason, message, running=running))
    )
    before = find(situation.status.conditions, Type.READY)
    if before is not None and before.message == message:
        return plan
    event = EventNote(f"Disrupted/{pod.uid}", reason.value, message, warning=True)
    return replace(plan, events=(event,))


def _endings(
    before: PreferenceTrainingJobStatus, status: PreferenceTrainingJobStatus
) -> tuple[EventNote, ...]:
    """An Event for each pod whose end is new and after which the same Job makes another."""
    return tuple(
        EventNote(
            f"Ended/{entry.pod_uid or entry.end_time}",
            entry.reason or Reason.KILLED.value,
            f"a pod of attempt {entry.number} ended, another follows: {entry.message or ''}",
            warning=bool(entry.counted),
        )
        for entry in status.attempts
        if entry.end_time is not None and entry not in before.attempts
    )


def _waiting(
    situation: Situation,
    status: PreferenceTrainingJobStatus,
    job: JobView,
    pods: tuple[PodView, ...],
) -> Plan:
    wanted = wants_events(situation, job, pods)
    if wanted is not None:
        return Plan(ask_about=wanted)
    stuck = why_waiting(situation, job, pods)
    if stuck is not None:
        return tell(situation, status, job.name, stuck)
    ready = find(status.conditions, Type.READY)
    entry = status.attempts[-1] if status.attempts else None
    if job.suspended:
        reason, message = Reason.QUEUED, ""
    elif entry is not None and entry.end_time is not None and entry.job == job.name:
        reason = Reason.RETRYING if entry.counted else Reason.PREEMPTED
        message = entry.message or ""
    elif ready is not None and ready.reason in _WAITING:
        return write_if_changed(situation, refreshed(situation, status))
    else:
        reason, message = Reason.PENDING, ""
    return write_if_changed(situation, updated(situation, status, under_way(reason, message)))
