"""spec.suspend: the Job is deleted in the foreground, so its pod saves and ends first."""

from preftrain_operator.core.attempts import record_endings
from preftrain_operator.core.conditions import suspending
from preftrain_operator.core.plan import LOOK_AGAIN, Deletion, Plan
from preftrain_operator.core.policies.finished import target_of
from preftrain_operator.core.policies.held import held
from preftrain_operator.core.policies.training import (
    exhausted,
    has_failed,
    has_succeeded,
    is_about_to_end,
    is_exhausted,
)
from preftrain_operator.core.situation import Situation
from preftrain_operator.core.update import updated, write_if_changed


def stop(situation: Situation) -> Plan | None:
    """Stops a started run; an attempt that has reached its end is judged instead."""
    if not situation.spec.suspend:
        return None
    observed, ref = situation.observed, situation.observed.current
    if ref is None:
        return held(situation, situation.status)
    job = observed.job_of(ref)
    is_gone = job is None
    if is_gone and not observed.live:
        return LOOK_AGAIN
    job = job or observed.gone(ref)
    pods = observed.pods_of(job)
    if has_succeeded(job, pods) or has_failed(job, pods):
        return None
    if is_about_to_end(job, pods):
        return Plan()
    status = situation.status
    if job.stage == "Train":
        status = record_endings(situation, status, job)
        if is_exhausted(situation, status):
            return exhausted(situation, status)
    if is_gone:
        return held(situation, status)
    status = updated(situation, status, suspending())
    deletes = () if job.deleting else (Deletion(target_of(job), foreground=True),)
    return Plan(status=write_if_changed(situation, status).status, deletes=deletes)
