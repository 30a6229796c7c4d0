"""kopf's settings: watch and dispatch, nothing else."""

from collections.abc import Iterator
from typing import Any, Final

import kopf

from preftrain_api.group import GROUP
from preftrain_operator.runtime.selector import CHILD_SELECTOR

_LONGEST_PAUSE_SECONDS: Final = 30.0
_IDLE_SECONDS: Final = 0.1
"""Starting a task for an object's next event costs next to nothing. 0 would never end one: kopf
looks into the queue only after a wait.
"""


class EndlessBackoff:
    """Pauses that grow to half a minute and never end: kopf gives up, and the process with it,
    when the pauses run out. Can be iterated any number of times.
    """

    def __iter__(self) -> Iterator[float]:
        """Pauses in seconds."""
        pause = 0.5
        while True:
            yield pause
            pause = min(_LONGEST_PAUSE_SECONDS, pause * 2)


class NoDiffBase(kopf.DiffBaseStorage):
    """Compares no object with its last state: nothing here handles changes as kopf sees them.

    kopf asks for the comparison at every event all the same, and its own storages copy the whole
    object for it twice: a third of the operator's CPU time when this was measured.
    """

    def build(self, **_: Any) -> Any:
        """What of an object could have changed: nothing."""
        return {}

    def fetch(self, **_: Any) -> None:
        """Nothing was stored."""

    def store(self, **_: Any) -> None:
        """Store nothing."""


class NoProgress(kopf.ProgressStorage):
    """Keeps no progress of handlers: none is ever repeated by kopf. Copies nothing either."""

    def fetch(self, **_: Any) -> None:
        """Nothing was stored."""

    def store(self, **_: Any) -> None:
        """Store nothing."""

    def purge(self, **_: Any) -> None:
        """There is nothing to remove."""

    def touch(self, **_: Any) -> None:
        """Nothing is touched to be woken up by it."""

    def clear(self, *, essence: Any) -> Any:
        """The essence holds no progress."""
        return essence


def configure(settings: kopf.OperatorSettings) -> None:
    """Set `settings` in place."""
    settings.peering.standalone = True
    settings.scanning.disabled = True
    settings.posting.enabled = False
    settings.process.ultimate_exiting_timeout = 25
    settings.execution.default_backoff = 5
    settings.networking.error_backoffs = EndlessBackoff()
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 10
    # kopf queues a whole chunk of each kind, untrimmed.
    settings.watching.chunk_size = 100
    # As long as it waits for more, each object's task keeps the last event whole: after a first
    # list all objects are in memory for this time, and what held them is not given back.
    settings.queueing.idle_timeout = _IDLE_SECONDS
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 310
    settings.watching.reconnect_backoff = 1
    settings.watching.label_selectors["batch", "v1", "jobs"] = CHILD_SELECTOR
    settings.watching.label_selectors["", "v1", "pods"] = CHILD_SELECTOR
    # Never used, as nothing is patched; a later change handler must not write foreign keys.
    settings.persistence.finalizer = f"{GROUP}/kopf"
    settings.persistence.progress_storage = NoProgress()
    settings.persistence.diffbase_storage = NoDiffBase()
