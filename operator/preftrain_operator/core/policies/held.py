"""A run that its user holds back: it has no pod and no GPU, and says so once."""

from dataclasses import replace

from preftrain_api.reasons import ConditionType as Type
from preftrain_api.reasons import Reason
from preftrain_api.status import PreferenceTrainingJobStatus
from preftrain_operator.core.conditions import Notes, is_true, suspended
from preftrain_operator.core.plan import EventNote, Plan
from preftrain_operator.core.situation import Situation
from preftrain_operator.core.unseen import account_suspended
from preftrain_operator.core.update import updated, write_if_changed


def held(
    situation: Situation, status: PreferenceTrainingJobStatus, notes: Notes | None = None
) -> Plan:
    """Store `status` as suspended, and with `notes`; an Event tells it when that is new."""
    status = account_suspended(situation, status)
    plan = write_if_changed(situation, updated(situation, status, {**suspended(), **(notes or {})}))
    if plan.status is None or is_true(situation.status.conditions, Type.SUSPENDED):
        return plan
    number = status.attempts[-1].number if status.attempts else 0
    event = EventNote(
        f"Suspended/{number}/{situation.observed.generation}",
        Reason.SUSPENDED.value,
        "the run holds no pod and no GPU; set spec.suspend to false to go on",
    )
    return replace(plan, events=(event,))
