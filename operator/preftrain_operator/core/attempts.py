"""The record of attempts: one entry a pod that ran, opened when its Job is reserved."""

from collections.abc import Callable
from datetime import datetime

from preftrain_api.result import TrainResult
from preftrain_api.status import (
    MAX_ATTEMPTS,
    AttemptStatus,
    PreferenceTrainingJobStatus,
    ProgressStatus,
)
from preftrain_operator.core.conditions import MAX_MESSAGE, clip
from preftrain_operator.core.observed import JobView, PodView
from preftrain_operator.core.situation import Situation
from preftrain_operator.core.verdict import Ending, ending_of, result_of


def open_entry(status: PreferenceTrainingJobStatus) -> AttemptStatus | None:
    """The entry of the attempt that has not ended."""
    last = status.attempts[-1] if status.attempts else None
    return last if last is not None and last.end_time is None else None


def record_running(
    status: PreferenceTrainingJobStatus, job: JobView, pod: PodView
) -> PreferenceTrainingJobStatus:
    """`status` with the running pod entered; unchanged when it already is."""
    if any(entry.pod_uid == pod.uid for entry in status.attempts):
        return status
    status, index = _entry_for(status, job, pod)
    return _replace(status, index, _with_pod(status.attempts[index], job, pod))


def record_endings(
    situation: Situation,
    status: PreferenceTrainingJobStatus,
    job: JobView,
    judge: Callable[[PodView], Ending] = ending_of,
) -> PreferenceTrainingJobStatus:
    """`status` with every pod that has ended closed and counted exactly once, as `judge` says."""
    for pod in situation.observed.pods_of(job):
        if pod.has_ended and not is_entered(status, pod):
            status, index = _entry_for(status, job, pod)
            status = _replace(status, index, _with_pod(status.attempts[index], job, pod))
            end = pod.finished or situation.now
            result = result_of(pod, TrainResult)
            # By the clock of one machine: a node's may be off.
            held = _gpu_seconds(situation, pod.started, end, result)
            status = _closed(status, index, judge(pod), end, held, result)
    return status


def close_open(
    situation: Situation,
    status: PreferenceTrainingJobStatus,
    ending: Ending,
    end: datetime | None = None,
) -> PreferenceTrainingJobStatus:
    """`status` with its open entry closed, for an end that left no pod to look at.

    Without an `end` it is the moment at which the pod is last known to have been at work.
    """
    entry = open_entry(status)
    if entry is None:
        return status
    end = end or _last_seen(status, entry) or situation.now
    held = _gpu_seconds(situation, entry.start_time, end)
    return _closed(status, len(status.attempts) - 1, ending, end, held)


def close_or_add(
    situation: Situation,
    status: PreferenceTrainingJobStatus,
    job: JobView,
    ending: Ending,
    end: datetime | None = None,
) -> PreferenceTrainingJobStatus:
    """`status` with its open entry closed, else with a closed one for a pod of `job` that nobody
    saw at any time; `end` as in `close_open`.
    """
    if open_entry(status) is None:
        entry = AttemptStatus(number=job.attempt, job=job.name, job_uid=job.uid)
        status = _appended(status, entry)
    return close_open(situation, status, ending, end)


def _closed(
    status: PreferenceTrainingJobStatus,
    index: int,
    ending: Ending,
    end: datetime,
    gpu_seconds: float,
    result: TrainResult | None = None,
) -> PreferenceTrainingJobStatus:
    """`status` with entry `index` ended and counted, and its GPU time added."""
    counted = ending.is_counted and not ending.is_success
    entry = status.attempts[index]
    told = progress_of(status, entry)
    entry = entry.model_copy(
        update={
            "end_time": end,
            "reason": ending.reason.value,
            "exit_code": ending.exit_code,
            "message": clip(ending.message, MAX_MESSAGE) or None,
            "log_tail": ending.log_tail or None,
            "counted": counted,
            "start_step": result.start_step if result else None,
            "end_step": result.step if result else (told.step if told else None),
        }
    )
    status = _replace(status, index, entry)
    changes: dict[str, object] = {"retries": status.retries + counted}
    if result is not None and result.first_step_time and status.first_step_time is None:
        changes["first_step_time"] = result.first_step_time
    if gpu_seconds > 0:
        changes["gpu_seconds"] = (status.gpu_seconds or 0) + gpu_seconds
    return status.model_copy(update=changes)


def running_seconds(status: PreferenceTrainingJobStatus, now: datetime) -> float:
    """Running time over all attempts."""
    return sum(
        ((entry.end_time or now) - entry.start_time).total_seconds()
        for entry in status.attempts
        if entry.start_time is not None
    )


def is_entered(status: PreferenceTrainingJobStatus, pod: PodView) -> bool:
    """Whether the end of `pod` is in the record."""
    if any(entry.pod_uid == pod.uid and entry.end_time for entry in status.attempts):
        return True
    # Entries are bounded: a pod older than the oldest one kept was counted before it fell out.
    first = status.attempts[0] if len(status.attempts) == MAX_ATTEMPTS else None
    return first is not None and first.start_time is not None and pod.created < first.start_time


def _entry_for(
    status: PreferenceTrainingJobStatus, job: JobView, pod: PodView
) -> tuple[PreferenceTrainingJobStatus, int]:
    """The index of the pod's entry, which is appended when there is none to take."""
    for index, entry in enumerate(status.attempts):
        free = entry.pod_uid is None and entry.end_time is None and entry.job == job.name
        if entry.pod_uid == pod.uid or free:
            return status, index
    status = _appended(status, AttemptStatus(number=job.attempt, job=job.name))
    return status, len(status.attempts) - 1


def _appended(
    status: PreferenceTrainingJobStatus, entry: AttemptStatus
) -> PreferenceTrainingJobStatus:
    entries = (*status.attempts, entry)[-MAX_ATTEMPTS:]
    return status.model_copy(update={"attempts": entries})


def _with_pod(entry: AttemptStatus, job: JobView, pod: PodView) -> AttemptStatus:
    return entry.model_copy(
        update={
            "job_uid": job.uid,
            "pod": pod.name,
            "pod_uid": pod.uid,
            "pod_ip": pod.ip,
            "node": pod.node,
            "start_time": entry.start_time or pod.started,
        }
    )


def _replace(
    status: PreferenceTrainingJobStatus, index: int, entry: AttemptStatus
) -> PreferenceTrainingJobStatus:
    entries = (*status.attempts[:index], entry, *status.attempts[index + 1 :])
    return status.model_copy(update={"attempts": entries})


def progress_of(status: PreferenceTrainingJobStatus, entry: AttemptStatus) -> ProgressStatus | None:
    """What the entry's pod told last of how far it was."""
    told = status.progress
    return told if told is not None and told.pod_uid == entry.pod_uid is not None else None


def _last_seen(status: PreferenceTrainingJobStatus, entry: AttemptStatus) -> datetime | None:
    """When the entry's pod is last known to have been at work."""
    told = progress_of(status, entry)
    return told.time if told is not None and told.time is not None else entry.start_time


def _gpu_seconds(
    situation: Situation, start: datetime | None, end: datetime, result: TrainResult | None = None
) -> float:
    """What the pod reported; a pod that could not report held its GPU while it ran."""
    if result is not None and result.gpu_seconds is not None:
        return result.gpu_seconds
    compute = situation.spec.compute
    holds_gpu = compute is None or compute.accelerator == "GPU"
    if not holds_gpu or start is None:
        return 0.0
    return max(0.0, (end - start).total_seconds())
