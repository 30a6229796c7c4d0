"""What a decision asks for. The executor carries a plan out in a fixed order: Events, then
the status, then the Job to create, then Jobs to stop and to delete.
"""

from dataclasses import dataclass
from typing import Any

from preftrain_api.status import PreferenceTrainingJobStatus

JobManifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class EventNote:
    """A Kubernetes Event; equal `key`s within a job's revision are one Event for ever."""

    key: str
    reason: str
    message: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class JobTarget:
    """A Job as it was seen; the UID goes along as a precondition."""

    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Deletion:
    """A Job to delete; `foreground` keeps it until its pods are gone."""

    target: JobTarget
    foreground: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """Nothing by default: the situation is as it should be."""

    status: PreferenceTrainingJobStatus | None = None
    create: JobManifest | None = None
    stops: tuple[JobTarget, ...] = ()
    deletes: tuple[Deletion, ...] = ()
    events: tuple[EventNote, ...] = ()
    requeue_after: float | None = None
    """Seconds after which to decide again although nothing may have happened."""
    look_again: bool = False
    """Decide once more on Jobs and pods read live, because an absence must not come from a
    stale cache."""

    ask_about: str | None = None
    """UID of a Job or pod: decide once more with the Events about it, which alone tell what is
    in its way."""

    @property
    def is_empty(self) -> bool:
        """Whether carrying it out would write nothing."""
        return (
            self.status is None
            and self.create is None
            and not (self.stops or self.deletes or self.events)
        )


LOOK_AGAIN = Plan(look_again=True)
