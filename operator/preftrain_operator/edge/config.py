"""kopf's settings: watch and dispatch, nothing else."""

from collections.abc import Iterator
from typing import Final

import kopf

from preftrain_api.group import GROUP
from preftrain_operator.runtime.selector import CHILD_SELECTOR

_LONGEST_PAUSE_SECONDS: Final = 30.0


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
    settings.watching.chunk_size = 500
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 310
    settings.watching.reconnect_backoff = 1
    settings.watching.label_selectors["batch", "v1", "jobs"] = CHILD_SELECTOR
    settings.watching.label_selectors["", "v1", "pods"] = CHILD_SELECTOR
    # Never used, as nothing is patched; a later change handler must not write foreign keys.
    settings.persistence.finalizer = f"{GROUP}/kopf"
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=GROUP)
    settings.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix=GROUP)
