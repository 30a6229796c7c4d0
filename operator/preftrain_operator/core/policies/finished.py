"""What has ended stays ended: only leftovers are cleared, and the generation kept fresh."""

from datetime import datetime, timedelta

from preftrain_operator.core.observed import JobView
from preftrain_operator.core.plan import Deletion, JobTarget, Plan
from preftrain_operator.core.situation import Situation


def leave_deleted(situation: Situation) -> Plan | None:
    """A resource on its way out is the garbage collector's; nothing is written to it."""
    return Plan() if situation.observed.deleting else None


def absorb(situation: Situation) -> Plan | None:
    """Ends Jobs that outlived the verdict and deletes all of them when their time is up."""
    if not situation.is_finished:
        return None
    observed = situation.observed
    due = deletion_time(situation)
    if due is not None and due <= situation.now:
        return Plan(
            deletes=tuple(Deletion(target_of(job)) for job in observed.jobs if not job.deleting)
        )
    unfinished = [job for job in observed.jobs if _needs_ending(job)]
    if not unfinished:
        return Plan()
    if not observed.live:
        return Plan(look_again=True)
    return Plan(
        # A suspended Job's deadline does not run: it has no pods to keep and is deleted instead.
        stops=tuple(target_of(job) for job in unfinished if not job.suspended),
        deletes=tuple(Deletion(target_of(job)) for job in unfinished if job.suspended),
    )


def deletion_time(situation: Situation) -> datetime | None:
    """When the Jobs of the ended run are to be deleted; None for never or not ended."""
    completed = situation.status.completion_time
    spec = situation.observed.reading.spec
    if not situation.is_finished or completed is None or spec is None:
        return None
    seconds = spec.ttl_seconds_after_finished
    return None if seconds is None else completed + timedelta(seconds=seconds)


def target_of(job: JobView) -> JobTarget:
    """The Job as a target of a guarded write."""
    return JobTarget(job.name, job.uid)


def _needs_ending(job: JobView) -> bool:
    return not (job.is_finished or job.deleting) and (job.suspended or not job.stopped)
