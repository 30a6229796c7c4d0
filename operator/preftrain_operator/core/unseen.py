"""Ends that nobody saw: the pod had ended and was gone before an operator looked.

What is left is the account of the Job controller. It writes a pod down as failed before it lets
it go, unless the Job's pod failure policy ignores the end. So its number of failed pods, held
against the entries, tells whether an unseen end was a failure; only the exit code is lost.
"""

from dataclasses import replace
from typing import Final

from preftrain_api.exit_codes import ExitCode
from preftrain_api.reasons import Reason
from preftrain_api.status import MAX_ATTEMPTS, AttemptStatus, PreferenceTrainingJobStatus
from preftrain_operator.core.attempts import (
    close_open,
    close_or_add,
    is_entered,
    open_entry,
    record_endings,
)
from preftrain_operator.core.observed import JobView, PodView
from preftrain_operator.core.situation import Situation
from preftrain_operator.core.verdict import Ending, decisive, ending_of

_NOT_SEEN: Final = "the pod ended and was removed while no operator looked"
FAILED: Final = Ending(
    Reason.END_UNSEEN,
    f"{_NOT_SEEN}; the Job controller counted it as failed, its exit code is not known",
)
INTERRUPTED: Final = Ending(
    Reason.PREEMPTED,
    f"{_NOT_SEEN}; the Job controller did not count it, as after exit code 75 or a disruption",
    is_counted=False,
)
SUSPENDED: Final = Ending(
    Reason.END_UNSEEN, f"suspended; {_NOT_SEEN}, its exit code is not known", is_counted=False
)
SUSPENDED_BEFORE_START: Final = Ending(Reason.PREEMPTED, "suspended", is_counted=False)
_DELETED: Final = "somebody else deleted the Job while the run was in progress"
JOB_DELETED: Final = Ending(Reason.JOB_DELETED, f"{_DELETED}; how its pod ended was not seen")
_UNCOUNTED_CODES: Final = frozenset({int(ExitCode.DONE), int(ExitCode.PREEMPTED)})


def is_doubtful(
    status: PreferenceTrainingJobStatus, job: JobView, pods: tuple[PodView, ...]
) -> bool:
    """Whether an end was missed, as far as is seen; what is missing must be looked for live."""
    return _has_vanished(status, pods) or _failures_unseen(status, job, pods) > 0


def account(
    situation: Situation, status: PreferenceTrainingJobStatus, job: JobView
) -> PreferenceTrainingJobStatus:
    """`status` with each end of `job`'s pods entered that left nothing but the Job's own count;
    all but the one that ended the Job itself, of which its condition tells more.

    Only after a live look, before what is seen of later pods is entered, and not for a Job that
    is on its way out: its count stands still.
    """
    pods = situation.observed.pods_of(job)
    ends_unseen = job.is_finished and decisive(job, pods) is None
    failures = _failures_unseen(status, job, pods)
    if not failures and not ends_unseen and _has_vanished(status, pods):
        return close_open(situation, status, INTERRUPTED)
    for _ in range(failures - 1 if ends_unseen and job.failed else failures):
        status = close_or_add(situation, status, job, FAILED)
    return status


def account_deleted(
    situation: Situation, status: PreferenceTrainingJobStatus, job: JobView
) -> PreferenceTrainingJobStatus:
    """`status` of a run whose `job` somebody else has deleted: that is why its last pod ended,
    whatever the pod made of it.
    """
    newest = next((pod.uid for pod in reversed(situation.observed.pods_of(job))), None)

    def judge(pod: PodView) -> Ending:
        ending = ending_of(pod)
        if pod.uid != newest:
            return ending
        told = f"{_DELETED}; its pod: {ending.message}"
        return replace(ending, reason=Reason.JOB_DELETED, message=told, is_counted=True)

    status = record_endings(situation, status, job, judge)
    return close_open(situation, status, JOB_DELETED)


def account_suspended(
    situation: Situation, status: PreferenceTrainingJobStatus
) -> PreferenceTrainingJobStatus:
    """`status` of a run that was suspended, with nothing left of its Job and pods."""
    entry = open_entry(status)
    seen = entry is not None and entry.pod_uid is not None
    return close_open(situation, status, SUSPENDED if seen else SUSPENDED_BEFORE_START)


def _has_vanished(status: PreferenceTrainingJobStatus, pods: tuple[PodView, ...]) -> bool:
    """Whether the open entry's pod is not among `pods` any more."""
    entry = open_entry(status)
    return entry is not None and entry.pod_uid is not None and not _is_among(entry, pods)


def _failures_unseen(
    status: PreferenceTrainingJobStatus, job: JobView, pods: tuple[PodView, ...]
) -> int:
    """Pods that the Job controller has counted as failed and no entry speaks of."""
    entry = open_entry(status)
    if entry is not None and _is_among(entry, pods):
        return 0
    known = sum(
        _is_counted(entry.exit_code, bool(entry.counted), entry.reason)
        for entry in status.attempts
        if entry.end_time is not None and _is_of(entry, job)
    )
    for pod in pods:
        if pod.has_ended and not is_entered(status, pod):
            ending = ending_of(pod)
            known += _is_counted(ending.exit_code, ending.is_counted, ending.reason)
    unseen = max(0, job.failed_pods - known)
    if len(status.attempts) < MAX_ATTEMPTS:
        return unseen
    # Entries are bounded: what has fallen out cannot be told from what was never there.
    return min(unseen, int(_has_vanished(status, pods)))


def _is_counted(exit_code: int | None, is_counted: bool, reason: str | None) -> bool:
    """Whether the Job controller counts such an end as a failure."""
    if exit_code in _UNCOUNTED_CODES:
        return False
    # It counts a pod that somebody killed by hand, which is not the run's fault, as well.
    return is_counted or reason == Reason.KILLED


def _is_of(entry: AttemptStatus, job: JobView) -> bool:
    return entry.job == job.name and entry.job_uid in (None, job.uid)


def _is_among(entry: AttemptStatus, pods: tuple[PodView, ...]) -> bool:
    return any(pod.uid == entry.pod_uid for pod in pods)
