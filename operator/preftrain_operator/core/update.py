"""Builds the next status: fields, conditions and columns together, so they never disagree."""

from typing import Any

from preftrain_api.reasons import ConditionType, Reason
from preftrain_api.status import Display, PreferenceTrainingJobStatus
from preftrain_operator.core.conditions import Notes, find, merge
from preftrain_operator.core.display import display
from preftrain_operator.core.plan import Plan
from preftrain_operator.core.situation import Situation


def updated(
    situation: Situation,
    status: PreferenceTrainingJobStatus,
    notes: Notes,
    *,
    state: str | None = None,
    **changes: Any,
) -> PreferenceTrainingJobStatus:
    """`status` with `changes` and `notes`, speaking of the generation that was observed.

    `state` is what the State column shows; by default the reason of Ready.
    """
    generation = situation.observed.generation
    conditions = merge(status.conditions, notes, generation, situation.now)
    status = status.model_copy(
        update={**changes, "conditions": conditions, "observed_generation": generation}
    )
    ready = find(conditions, ConditionType.READY)
    reason = ready.reason if ready else Reason.FIRST_SEEN.value
    return status.model_copy(update={"display": display(state or reason, reason, status)})


def refreshed(
    situation: Situation, status: PreferenceTrainingJobStatus, **changes: Any
) -> PreferenceTrainingJobStatus:
    """`status` with `changes`, conditions as they are but for the observed generation."""
    shown = status.display or Display()
    return updated(situation, status, {}, state=shown.state, **changes)


def write_if_changed(situation: Situation, status: PreferenceTrainingJobStatus) -> Plan:
    """A plan that stores `status`, or an empty one when it is what was read."""
    return Plan() if status == situation.status else Plan(status=status)
