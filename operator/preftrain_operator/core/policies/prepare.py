"""Follows the prepare Job to its verdict: Train, Adopted or Refused."""

from dataclasses import replace

from preftrain_api.reasons import ConditionType as Type
from preftrain_api.reasons import Reason
from preftrain_api.result import PrepareResult
from preftrain_api.spec_hash import spec_hash
from preftrain_api.status import JobRef, PreferenceTrainingJobStatus, ResolvedStatus
from preftrain_operator.core.conditions import Note, has_reason, is_true, under_way
from preftrain_operator.core.observed import JobView, PodView
from preftrain_operator.core.plan import LOOK_AGAIN, EventNote, Plan
from preftrain_operator.core.policies.creation import create_reserved
from preftrain_operator.core.policies.held import held
from preftrain_operator.core.policies.outcome import fail, succeed
from preftrain_operator.core.policies.waiting import tell, wants_events, why_waiting
from preftrain_operator.core.render import render_job
from preftrain_operator.core.reserve import reserve_training, waiting_reason
from preftrain_operator.core.situation import Situation
from preftrain_operator.core.update import updated, write_if_changed
from preftrain_operator.core.verdict import (
    decisive,
    ending_of,
    ending_of_failed_job,
    has_evidence,
    result_of,
)


def follow(situation: Situation) -> Plan | None:
    """Waits for the prepare Job and acts on its end; silent once the data are ready."""
    observed, ref = situation.observed, situation.observed.current
    if ref is None or ref.stage != "Prepare" or is_data_ready(situation.status):
        return None
    job = observed.job_of(ref)
    if job is None:
        return _create(situation) if observed.live else LOOK_AGAIN
    if job.deleting:
        return Plan()
    pods = observed.pods_of(job)
    if not job.is_finished:
        return _wait(situation, job, pods)
    if not has_evidence(job, pods) and not observed.live:
        return LOOK_AGAIN
    status = with_uid(situation.status, ref, job)
    pod = decisive(job, pods)
    result = result_of(pod, PrepareResult) if pod else None
    if job.failed:
        ending = ending_of(pod) if pod else ending_of_failed_job(job)
        report = result.data_report if result else None
        # There is no attempt that could hold the end of the log.
        message = ending.log_tail or ending.message
        return fail(situation, status, ending.reason, message, data_report=report)
    if result is not None and result.verdict == "Adopted":
        return _adopt(situation, status, result)
    return _ready(situation, status, result)


def is_data_ready(status: PreferenceTrainingJobStatus) -> bool:
    """Whether prepare has ended well, or was skipped."""
    return is_true(status.conditions, Type.DATA_READY)


def with_uid(
    status: PreferenceTrainingJobStatus, ref: JobRef, job: JobView
) -> PreferenceTrainingJobStatus:
    """`status` with the Job's UID recorded at its reference."""
    refs = tuple(
        item.model_copy(update={"uid": job.uid}) if item == ref else item
        for item in status.job_refs
    )
    return status.model_copy(update={"job_refs": refs})


def _create(situation: Situation) -> Plan:
    plan = create_reserved(situation, render_job(situation, "Prepare", 0))
    status = situation.status
    held = is_true(status.conditions, Type.SUSPENDED) or has_reason(
        status.conditions, Type.SUSPENDED, Reason.SUSPENDING
    )
    if plan.create is not None and held:
        status = updated(situation, status, under_way(Reason.PREPARING))
        return Plan(status=status, create=plan.create)
    return plan


def _wait(situation: Situation, job: JobView, pods: tuple[PodView, ...]) -> Plan:
    wanted = wants_events(situation, job, pods)
    if wanted is not None:
        return Plan(ask_about=wanted)
    stuck = why_waiting(situation, job, pods)
    if stuck is not None:
        return tell(situation, situation.status, job.name, stuck)
    status = updated(situation, situation.status, under_way(Reason.PREPARING))
    return write_if_changed(situation, status)


def _adopt(
    situation: Situation, status: PreferenceTrainingJobStatus, result: PrepareResult
) -> Plan:
    reason = Reason.ADOPTED_EXISTING_ARTIFACT
    return succeed(
        situation,
        status,
        reason,
        artifact=result.artifact,
        message=result.message or reason.text,
        data_report=result.data_report,
        resolved=_resolved(situation, result),
    )


def _ready(
    situation: Situation, status: PreferenceTrainingJobStatus, result: PrepareResult | None
) -> Plan:
    """Records what was pinned and reserves the training Job.

    When the pod and its message are gone there are no pins; the trainer then pins by itself
    as it does when prepare is skipped.
    """
    status = status.model_copy(
        update={
            "resolved": _resolved(situation, result),
            "data_report": result.data_report if result else None,
        }
    )
    message = result.message if result and result.message else Reason.PREPARED.text
    ready = {Type.DATA_READY: Note("True", Reason.PREPARED, message)}
    event = EventNote("Prepared", Reason.PREPARED.value, message)
    if situation.spec.suspend:
        plan = held(situation, status, ready)
        return replace(plan, events=(event, *plan.events))
    status, manifest = reserve_training(situation, status)
    notes = {**under_way(waiting_reason(situation)), **ready}
    return Plan(status=updated(situation, status, notes), create=manifest, events=(event,))


def _resolved(situation: Situation, result: PrepareResult | None) -> ResolvedStatus:
    before = situation.status.resolved or ResolvedStatus()
    if result is None:
        return before
    digest = result.spec_hash
    if digest is None and result.pins is not None:
        digest = spec_hash(situation.spec, result.pins)
    return before.model_copy(
        update={"pins": result.pins, "spec_hash": digest, "fencing": result.fencing}
    )
