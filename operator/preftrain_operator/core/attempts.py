"""The record of attempts: one entry a pod that ran, opened when its Job is reserved."""

from datetime import datetime

from preftrain_api.reasons import Reason
from preftrain_api.result import TrainResult
from preftrain_api.status import MAX_ATTEMPTS, AttemptStatus, PreferenceTrainingJobStatus
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
    situation: Situation, status: PreferenceTrainingJobStatus, job: JobView
) -> PreferenceTrainingJobStatus:
    """`status` with every pod that has ended closed and counted exactly once."""
    for pod in situation.observed.pods_of(job):
        if pod.has_ended and not _is_known(status, pod):
            status, index = _entry_for(status, job, pod)
            status = _replace(status, index, _with_pod(status.attempts[index], job, pod))
            end = pod.finished or situation.now
            status = close(status, index, ending_of(pod), end, result_of(pod, TrainResult))
            status = _with_gpu_seconds(situation, status, pod)
    return status


def close_open(
    status: PreferenceTrainingJobStatus, ending: Ending, now: datetime
) -> PreferenceTrainingJobStatus:
    """`status` with its open entry closed, for an end that left no pod to look at."""
    if open_entry(status) is None:
        return status
    return close(status, len(status.attempts) - 1, ending, now, None)


def close(
    status: PreferenceTrainingJobStatus,
    index: int,
    ending: Ending,
    end: datetime,
    result: TrainResult | None,
) -> PreferenceTrainingJobStatus:
    """`status` with entry `index` ended and counted."""
    counted = ending.is_counted and not ending.is_success
    entry = status.attempts[index].model_copy(
        update={
            "end_time": end,
            "reason": ending.reason.value,
            "exit_code": ending.exit_code,
            "message": clip(ending.message, MAX_MESSAGE) or None,
            "counted": counted,
            "start_step": result.start_step if result else None,
            "end_step": result.step if result else None,
        }
    )
    status = _replace(status, index, entry)
    changes: dict[str, object] = {"retries": status.retries + counted}
    if result is not None and result.first_step_time and status.first_step_time is None:
        changes["first_step_time"] = result.first_step_time
    return status.model_copy(update=changes)


def vanished(status: PreferenceTrainingJobStatus, pods: tuple[PodView, ...]) -> bool:
    """Whether the open entry's pod is not among `pods` any more."""
    entry = open_entry(status)
    if entry is None or entry.pod_uid is None:
        return False
    return all(pod.uid != entry.pod_uid for pod in pods)


VANISHED = Ending(Reason.KILLED, "the pod vanished before its end was seen", is_counted=False)


def running_seconds(status: PreferenceTrainingJobStatus, now: datetime) -> float:
    """Running time over all attempts."""
    return sum(
        ((entry.end_time or now) - entry.start_time).total_seconds()
        for entry in status.attempts
        if entry.start_time is not None
    )


def _is_known(status: PreferenceTrainingJobStatus, pod: PodView) -> bool:
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
    entries = (*status.attempts, AttemptStatus(number=job.attempt, job=job.name))[-MAX_ATTEMPTS:]
    return status.model_copy(update={"attempts": entries}), len(entries) - 1


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


def _with_gpu_seconds(
    situation: Situation, status: PreferenceTrainingJobStatus, pod: PodView
) -> PreferenceTrainingJobStatus:
    """Adds what the pod reported; a pod that could not report held its GPU while it ran."""
    result = result_of(pod, TrainResult)
    seconds = result.gpu_seconds if result else None
    compute = situation.spec.compute
    if seconds is None and (compute is None or compute.accelerator == "GPU"):
        if pod.started is None or pod.finished is None:
            return status
        seconds = (pod.finished - pod.started).total_seconds()
    if not seconds:
        return status
    return status.model_copy(update={"gpu_seconds": (status.gpu_seconds or 0) + max(0, seconds)})
