"""Deletes unfinished Jobs that the status does not know as the current one.

They exist when an operator with an old view created one late; the live look before and the
UID with the deletion make two operators converge instead of deleting each other's work.

A run that its user holds back has no current one: whatever is there goes. One that is about to
begin takes over what it finds: its status may have been lost.

The deletion is in the foreground: a name that is used again stays taken until the pods have
ended, so that no two of them run at once.
"""

from preftrain_operator.core.observed import JobView
from preftrain_operator.core.plan import LOOK_AGAIN, Deletion, Plan
from preftrain_operator.core.policies.finished import target_of
from preftrain_operator.core.situation import Situation


def remove(situation: Situation) -> Plan | None:
    """Deletes strays; the rest of the chain waits until they are gone."""
    if not situation.is_started and not situation.spec.suspend:
        return None
    observed = situation.observed
    current = observed.current
    known = observed.job_of(current) if current else None
    strays = [job for job in observed.jobs if job is not known and _is_alive(job)]
    if not strays:
        return None
    if not observed.live:
        return LOOK_AGAIN
    return Plan(deletes=tuple(Deletion(target_of(job), foreground=True) for job in strays))


def _is_alive(job: JobView) -> bool:
    return not (job.is_finished or job.deleting)
