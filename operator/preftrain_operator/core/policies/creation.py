"""Creates the reserved Job that is not there yet, or says why the API server will not."""

from dataclasses import replace
from typing import Final

from preftrain_api.reasons import Reason
from preftrain_operator.core.attempts import close_open
from preftrain_operator.core.notices import reason_of_words
from preftrain_operator.core.observed import Refusal
from preftrain_operator.core.plan import JobManifest, Plan
from preftrain_operator.core.policies.outcome import fail
from preftrain_operator.core.policies.waiting import tell
from preftrain_operator.core.situation import Situation
from preftrain_operator.core.verdict import Ending

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
        ending = Ending(reason, message, is_final=True, is_counted=False)
        status = close_open(situation, situation.status, ending, situation.now)
        return fail(situation, status, reason, message)
    plan = tell(situation, situation.status, refusal.job, (reason, message))
    return replace(plan, requeue_after=RETRY_SECONDS)


def _reason(refusal: Refusal) -> Reason:
    told = reason_of_words(refusal.message) if refusal.kind == "Denied" else None
    return told or _REASONS[refusal.kind]
