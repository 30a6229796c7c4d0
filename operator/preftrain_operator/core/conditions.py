"""Conditions: one set per state, merged so that transition times stay true.

kstatus reads Reconciling and Stalled, `kubectl wait` any of them; each state below sets all
of them, so no leftover of an earlier state can contradict.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from preftrain_api.reasons import ConditionType as Type
from preftrain_api.reasons import Reason
from preftrain_api.status import Condition

Truth = Literal["True", "False", "Unknown"]
MAX_MESSAGE = 1024


@dataclass(frozen=True, slots=True)
class Note:
    """One condition without its times."""

    status: Truth
    reason: Reason
    message: str = ""


Notes = Mapping[Type, Note]


def merge(
    existing: tuple[Condition, ...], notes: Notes, generation: int, now: datetime
) -> tuple[Condition, ...]:
    """`existing` with `notes` applied: a condition whose status stays keeps its transition
    time, and every one speaks of `generation`.
    """
    merged = {str(condition.type): condition for condition in existing}
    for kind, note in notes.items():
        before = merged.get(kind)
        stays = before is not None and before.status == note.status
        merged[kind] = Condition(
            type=str(kind),
            status=note.status,
            observed_generation=generation,
            last_transition_time=before.last_transition_time if before and stays else now,
            reason=note.reason.value,
            message=clip(note.message, MAX_MESSAGE),
        )
    order = {str(kind): index for index, kind in enumerate(Type)}
    return tuple(
        condition
        if condition.observed_generation == generation
        else condition.model_copy(update={"observed_generation": generation})
        for condition in sorted(merged.values(), key=lambda item: order.get(item.type, len(order)))
    )


def find(conditions: tuple[Condition, ...], kind: Type) -> Condition | None:
    """The condition of type `kind`."""
    return next((condition for condition in conditions if condition.type == kind), None)


def is_true(conditions: tuple[Condition, ...], kind: Type) -> bool:
    """Whether the condition of type `kind` is there and True."""
    found = find(conditions, kind)
    return found is not None and found.status == "True"


def has_reason(conditions: tuple[Condition, ...], kind: Type, reason: Reason) -> bool:
    """Whether the condition of type `kind` gives `reason`."""
    found = find(conditions, kind)
    return found is not None and found.reason == reason.value


def clip(text: str, limit: int) -> str:
    """`text`, cut to `limit` characters with an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


_ACCEPTED = Note("True", Reason.ACCEPTED)
_NOT_SUSPENDED = Note("False", Reason.NOT_SUSPENDED)
_NOT_PUBLISHED = Note("False", Reason.NOT_PUBLISHED)
_IN_PROGRESS = Note("False", Reason.IN_PROGRESS)


def under_way(reason: Reason, message: str = "", *, running: Truth = "False") -> dict[Type, Note]:
    """The run goes on by itself."""
    return {
        Type.ACCEPTED: _ACCEPTED,
        Type.RUNNING: Note(running, reason, message),
        Type.PUBLISHED: _NOT_PUBLISHED,
        Type.SUSPENDED: _NOT_SUSPENDED,
        Type.SUCCEEDED: _IN_PROGRESS,
        Type.FAILED: _IN_PROGRESS,
        Type.READY: Note("False", reason, message),
        Type.RECONCILING: Note("True", reason, message),
        Type.STALLED: _IN_PROGRESS,
    }


def suspending() -> dict[Type, Note]:
    """The training pod has been asked to save and end."""
    return {
        **under_way(Reason.SUSPENDING, Reason.SUSPENDING.text),
        Type.SUSPENDED: Note("False", Reason.SUSPENDING),
    }


def suspended() -> dict[Type, Note]:
    """Nothing runs until the user says so; neither progressing nor stuck."""
    return {
        **under_way(Reason.SUSPENDED, Reason.SUSPENDED.text),
        Type.SUSPENDED: Note("True", Reason.SUSPENDED, Reason.SUSPENDED.text),
        Type.RECONCILING: Note("False", Reason.SUSPENDED),
    }


def refused(reason: Reason, message: str) -> dict[Type, Note]:
    """The spec was not accepted and nothing was started; an edit of the spec may change that."""
    return {
        **failed(reason, message),
        Type.ACCEPTED: Note("False", reason, message),
    }


def newer_schema(message: str) -> dict[Type, Note]:
    """The spec is beyond this operator: not judged, not started."""
    reason = Reason.NEWER_SCHEMA
    return {
        Type.ACCEPTED: Note("Unknown", reason, message),
        Type.RUNNING: Note("False", reason),
        Type.PUBLISHED: _NOT_PUBLISHED,
        Type.SUSPENDED: _NOT_SUSPENDED,
        Type.SUCCEEDED: Note("False", reason),
        Type.FAILED: Note("False", reason),
        Type.READY: Note("False", reason, message),
        Type.RECONCILING: Note("False", reason),
        Type.STALLED: Note("True", reason, message),
    }


def failed(reason: Reason, message: str) -> dict[Type, Note]:
    """The run has ended and nothing was published."""
    return {
        # Whatever an older operator made of the spec: the run was made from it.
        Type.ACCEPTED: _ACCEPTED,
        Type.RUNNING: Note("False", Reason.COMPLETED),
        Type.PUBLISHED: Note("False", reason),
        Type.SUSPENDED: _NOT_SUSPENDED,
        Type.SUCCEEDED: Note("False", reason),
        Type.FAILED: Note("True", reason, message),
        Type.READY: Note("False", reason, message),
        Type.RECONCILING: Note("False", Reason.COMPLETED),
        Type.STALLED: Note("True", reason, message),
    }


def succeeded(reason: Reason, published: Reason, message: str) -> dict[Type, Note]:
    """The run has ended and its adapter is published."""
    return {
        # Whatever an older operator made of the spec: the run was made from it.
        Type.ACCEPTED: _ACCEPTED,
        Type.RUNNING: Note("False", Reason.COMPLETED),
        Type.PUBLISHED: Note("True", published, message),
        Type.SUSPENDED: _NOT_SUSPENDED,
        Type.SUCCEEDED: Note("True", reason, message),
        Type.FAILED: Note("False", Reason.COMPLETED),
        Type.READY: Note("True", reason, message),
        Type.RECONCILING: Note("False", Reason.COMPLETED),
        Type.STALLED: Note("False", Reason.COMPLETED),
    }
