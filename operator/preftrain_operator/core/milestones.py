"""What a status write brings about that is worth counting. Pure.

A level-triggered operator sees no transitions; the pair of the status before and after a write
that succeeded is one, and it happens once.
"""

from dataclasses import dataclass
from datetime import datetime

from preftrain_api.reasons import ConditionType as Type
from preftrain_api.status import AttemptStatus, PreferenceTrainingJobStatus
from preftrain_operator.core.conditions import find, is_true
from preftrain_operator.core.observed import Observed


@dataclass(frozen=True, slots=True)
class Milestones:
    """What a write brought about."""

    wait_seconds: float | None = None
    """From the resource's creation to the start of its first training pod; set once a revision."""
    attempts: tuple[str, ...] = ()
    """Reasons for which attempts ended whose end was not in the status before."""
    ended: str | None = None
    """Reason for which the revision ended; set once a revision."""
    gpu_seconds: float = 0.0
    """GPU time of the revision that ended."""
    lost_gpu_seconds: float = 0.0
    """The part of it that the result does not contain."""


def milestones(observed: Observed, after: PreferenceTrainingJobStatus) -> Milestones:
    """What turning `observed`'s status into `after` means."""
    before = observed.status
    same_revision = before.run_revision == after.run_revision
    wait = None
    started = first_start(after)
    if started is not None and not (same_revision and first_start(before) is not None):
        origin = observed.created if after.run_revision in (None, 1) else after.start_time
        wait = max(0.0, (started - (origin or observed.created)).total_seconds())
    attempts = _newly_ended(before.attempts if same_revision else (), after.attempts)
    if after.completion_time is None or (same_revision and before.completion_time is not None):
        return Milestones(wait_seconds=wait, attempts=attempts)
    ready = find(after.conditions, Type.READY)
    return Milestones(
        wait_seconds=wait,
        attempts=attempts,
        ended=ready.reason if ready else "Unknown",
        gpu_seconds=after.gpu_seconds or 0.0,
        lost_gpu_seconds=lost_gpu_seconds(after),
    )


def _newly_ended(
    before: tuple[AttemptStatus, ...], after: tuple[AttemptStatus, ...]
) -> tuple[str, ...]:
    """Reasons of the entries of `after` that have ended and are not in `before`. An entry that has
    ended stays as it is; ends that nobody saw may be entered as equal ones.
    """
    known, reasons = list(before), []
    for entry in after:
        if entry in known:
            known.remove(entry)
        elif entry.end_time is not None and entry.reason is not None:
            reasons.append(entry.reason)
    return tuple(reasons)


def first_start(status: PreferenceTrainingJobStatus) -> datetime | None:
    """When the first training pod known began; None before."""
    return next((entry.start_time for entry in status.attempts if entry.start_time), None)


def lost_gpu_seconds(status: PreferenceTrainingJobStatus) -> float:
    """GPU time of a run that has ended which its result does not contain.

    All of it when the run failed. Otherwise of each attempt but the last the share of its steps
    that lay behind the checkpoint with which the next one began; an attempt that told no steps
    is lost as a whole.
    """
    total = status.gpu_seconds or 0.0
    if not is_true(status.conditions, Type.SUCCEEDED):
        return total
    pairs = zip(status.attempts, status.attempts[1:], strict=False)
    return min(total, sum(_lost_seconds(entry, following) for entry, following in pairs))


def _lost_seconds(entry: AttemptStatus, following: AttemptStatus) -> float:
    if entry.start_time is None or entry.end_time is None:
        return 0.0
    seconds = (entry.end_time - entry.start_time).total_seconds()
    began, ended, kept = entry.start_step or 0, entry.end_step or 0, following.start_step or 0
    if ended <= began:
        return seconds
    return seconds * min(1.0, max(0.0, (ended - kept) / (ended - began)))
