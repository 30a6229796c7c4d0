"""Creates the reserved Job that is not there yet, or says why the API server will not."""

from typing import Final

from preftrain_api.reasons import ConditionType as Type
from preftrain_api.reasons import Reason
from preftrain_operator.core.conditions import find, under_way
from preftrain_operator.core.observed import Refusal
from preftrain_operator.core.plan import JobManifest, Plan
from preftrain_operator.core.policies.outcome import fail
from preftrain_operator.core.situation import Situation
from preftrain_operator.core.update import updated, write_if_changed

RETRY_SECONDS: Final = 30.0
"""Quotas and policies are changed by people: asking more often helps nobody."""
_REASONS: Final = {
    "Denied": Reason.ADMISSION_REJECTED,
    "Invalid": Reason.ADMISSION_REJECTED,
    "NameTaken": Reason.NAME_TAKEN,
}


def create_reserved(situation: Situation, manifest: JobManifest) -> Plan:
    """Create `manifest`, unless that was just refused: then tell and try again later."""
    refusal = situation.observed.refusal
    if refusal is None or refusal.job != manifest["metadata"]["name"]:
        return Plan(create=manifest)
    reason = _reason(refusal)
    message = f"Job {refusal.job} could not be created: {refusal.message}"
    if refusal.kind == "Invalid":
        return fail(situation, situation.status, reason, message)
    notes = under_way(reason, message)
    ready = find(situation.status.conditions, Type.READY)
    if ready is not None and ready.reason == reason.value:
        # The texts of quota errors carry changing figures; not every change is worth a write.
        notes = under_way(reason, ready.message)
    plan = write_if_changed(situation, updated(situation, situation.status, notes))
    return Plan(status=plan.status, requeue_after=RETRY_SECONDS)


def _reason(refusal: Refusal) -> Reason:
    if refusal.kind == "Denied" and "exceeded quota" in refusal.message:
        return Reason.QUOTA_EXCEEDED
    return _REASONS[refusal.kind]
