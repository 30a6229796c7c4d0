"""The two ends of a run. Each writes one status and one Event, and nothing after it changes
the verdict of this revision.
"""

from typing import Any, Final

from preftrain_api.reasons import ConditionType as Type
from preftrain_api.reasons import Reason
from preftrain_api.report import Artifact
from preftrain_api.status import PreferenceTrainingJobStatus
from preftrain_operator.core.conditions import Note, failed, is_true, succeeded
from preftrain_operator.core.plan import EventNote, Plan
from preftrain_operator.core.situation import Situation
from preftrain_operator.core.update import updated

TERMINAL_KEY: Final = "Terminal"
"""Key of the one Event that ends a revision, whatever its reason."""


def succeed(
    situation: Situation,
    status: PreferenceTrainingJobStatus,
    reason: Reason,
    *,
    artifact: Artifact | None,
    message: str,
    **changes: Any,
) -> Plan:
    """The adapter is published."""
    published = Reason.PUBLISHED_UNEVALUATED if reason is Reason.PUBLISHED_UNEVALUATED else None
    notes = dict(succeeded(reason, published or Reason.PUBLISHED, message))
    if not is_true(status.conditions, Type.DATA_READY):
        notes[Type.DATA_READY] = Note("True", Reason.PREPARED)
    changes |= {"completion_time": situation.now, "artifact": artifact}
    done = updated(situation, status, notes, state=reason.value, **changes)
    event = EventNote(TERMINAL_KEY, reason.value, message)
    return Plan(status=done, events=(event,))


def fail(
    situation: Situation,
    status: PreferenceTrainingJobStatus,
    reason: Reason,
    message: str,
    **changes: Any,
) -> Plan:
    """Nothing is published; `message` says what to do about it."""
    notes = dict(failed(reason, message))
    if not is_true(status.conditions, Type.DATA_READY):
        notes[Type.DATA_READY] = Note("False", reason)
    changes |= {"completion_time": situation.now}
    done = updated(situation, status, notes, state="Failed", **changes)
    event = EventNote(TERMINAL_KEY, reason.value, message, warning=True)
    return Plan(status=done, events=(event,))
