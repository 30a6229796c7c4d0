"""Ends a run that trains, or waits for its pod, longer than the user allows."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from preftrain_api.reasons import Reason
from preftrain_operator.core.attempts import (
    close_open,
    is_entered,
    open_entry,
    running_seconds,
)
from preftrain_operator.core.observed import JobView
from preftrain_operator.core.plan import Plan
from preftrain_operator.core.policies.finished import deletion_time
from preftrain_operator.core.policies.outcome import fail
from preftrain_operator.core.policies.training import is_about_to_end
from preftrain_operator.core.policies.waiting import waiting_dues
from preftrain_operator.core.situation import Situation
from preftrain_operator.core.unseen import is_doubtful
from preftrain_operator.core.verdict import Ending


def enforce(situation: Situation) -> Plan | None:
    """Fails the run when a deadline has passed; its Job is stopped afterwards."""
    job = _current(situation)
    if job is not None and _is_behind(situation, job):
        return None
    spec = situation.spec
    due = active_deadline(situation)
    if due is not None and due <= situation.now:
        message = f"trained for {spec.active_deadline_seconds} s, spec.activeDeadlineSeconds"
        return _fail(situation, Reason.DEADLINE_EXCEEDED, message)
    due = start_deadline(situation)
    if due is not None and due <= situation.now:
        message = (
            f"no training pod was running {spec.start_deadline_seconds} s after admission, "
            "spec.startDeadlineSeconds"
        )
        return _fail(situation, Reason.START_DEADLINE_EXCEEDED, message)
    return None


def next_due(situation: Situation) -> float | None:
    """Seconds until time alone may change the decision; None when it cannot."""
    dues = [due for due in _dues(situation) if due > situation.now]
    return min((due - situation.now).total_seconds() for due in dues) if dues else None


def active_deadline(situation: Situation) -> datetime | None:
    """When the running attempt uses up activeDeadlineSeconds."""
    limit = situation.spec.active_deadline_seconds
    entry = open_entry(situation.status)
    if limit is None or entry is None or entry.start_time is None:
        return None
    used = running_seconds(situation.status, situation.now)
    return situation.now + timedelta(seconds=limit - used)


def start_deadline(situation: Situation) -> datetime | None:
    """When the first training pod must be running; queueing does not count."""
    limit, job = situation.spec.start_deadline_seconds, _current(situation)
    if limit is None or job is None or job.stage != "Train" or job.suspended:
        return None
    pods = situation.observed.pods_of(job)
    if any(it.start_time for it in situation.status.attempts) or any(it.started for it in pods):
        return None
    return (job.started or job.created) + timedelta(seconds=limit)


def _dues(situation: Situation) -> Iterator[datetime]:
    if situation.observed.deleting or situation.observed.reading.spec is None:
        return
    found = [deletion_time(situation)]
    if situation.is_started and not situation.is_finished:
        found += [active_deadline(situation), start_deadline(situation)]
        job = _current(situation)
        if job is not None:
            found += waiting_dues(job, situation.observed.pods_of(job))
    yield from (due for due in found if due is not None)


def _current(situation: Situation) -> JobView | None:
    ref = situation.observed.current
    return situation.observed.job_of(ref) if ref else None


def _is_behind(situation: Situation, job: JobView) -> bool:
    """Whether what became of the Job's pods is to be entered first, and judged by itself."""
    status, pods = situation.status, situation.observed.pods_of(job)
    if job.is_finished or is_about_to_end(job, pods):
        return True
    if any(pod.has_ended and not is_entered(status, pod) for pod in pods):
        return True
    return not job.deleting and is_doubtful(status, job, pods)


def _fail(situation: Situation, reason: Reason, message: str) -> Plan:
    ending = Ending(reason, message, is_final=True, is_counted=False)
    status = close_open(situation, situation.status, ending, situation.now)
    return fail(situation, status, reason, message)
