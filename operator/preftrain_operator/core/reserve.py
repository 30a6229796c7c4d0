"""Reserves the name of a Job in the status and renders it: always both, in this order.

A Job whose name was stored first can be created twice without harm: the second time it is
already there, and its owner's UID tells that it is ours.
"""

from preftrain_api.reasons import Reason
from preftrain_api.status import (
    MAX_ATTEMPTS,
    AttemptStatus,
    JobRef,
    PreferenceTrainingJobStatus,
)
from preftrain_operator.core.names import job_name
from preftrain_operator.core.plan import JobManifest
from preftrain_operator.core.render import render_job
from preftrain_operator.core.situation import Situation


def reserve_prepare(
    situation: Situation, status: PreferenceTrainingJobStatus
) -> tuple[PreferenceTrainingJobStatus, JobManifest]:
    """The status that names the prepare Job, and the Job."""
    name = job_name(situation.observed.name, situation.revision, "Prepare", 0)
    refs = (JobRef(stage="Prepare", name=name),)
    return status.model_copy(update={"job_refs": refs}), render_job(situation, "Prepare", 0)


def reserve_training(
    situation: Situation, status: PreferenceTrainingJobStatus
) -> tuple[PreferenceTrainingJobStatus, JobManifest]:
    """The status that names the next attempt's Job, and the Job."""
    number = 1 + max((entry.number for entry in status.attempts), default=0)
    name = job_name(situation.observed.name, situation.revision, "Train", number)
    prepare = tuple(ref for ref in status.job_refs if ref.stage == "Prepare")
    earlier = tuple(ref for ref in status.job_refs if ref.stage == "Train")
    refs = (
        *prepare,
        *earlier[-MAX_ATTEMPTS + 1 :],
        JobRef(stage="Train", name=name, attempt=number),
    )
    entries = (*status.attempts, AttemptStatus(number=number, job=name))[-MAX_ATTEMPTS:]
    status = status.model_copy(update={"job_refs": refs, "attempts": entries})
    return status, render_training(situation, status, number)


def render_training(
    situation: Situation, status: PreferenceTrainingJobStatus, number: int
) -> JobManifest:
    """The Job of attempt `number`, with what prepare has pinned."""
    resolved = status.resolved
    return render_job(
        situation,
        "Train",
        number,
        pins=resolved.pins if resolved else None,
        spec_hash=resolved.spec_hash if resolved else None,
        retries=status.retries,
    )


def waiting_reason(situation: Situation) -> Reason:
    """Why a training Job that was just created does not run yet."""
    compute = situation.spec.compute
    return Reason.QUEUED if compute and compute.queue_name else Reason.PENDING
