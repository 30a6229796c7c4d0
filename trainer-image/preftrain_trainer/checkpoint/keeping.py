"""How the state of one attempt is kept: where it comes from, and where it goes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from preftrain_api.report import Finding
from preftrain_trainer.checkpoint.attempt import Attempt
from preftrain_trainer.checkpoint.remote import CheckpointPlace, Saved
from preftrain_trainer.checkpoint.uploads import Uploads
from preftrain_trainer.progress.board import ProgressBoard
from preftrain_trainer.stop import StopRequest

NOT_SAVED: Final = "CheckpointNotSaved"
"""Name of the finding that a checkpoint was lost."""
_LAST_UPLOAD_SECONDS: Final = 60
"""Patience with an upload when the run ends for another reason than a request."""
_LOOK_SECONDS: Final = 0.5
"""How often it is asked meanwhile whether a request has come."""


@dataclass(frozen=True, slots=True)
class Keeping:
    """The state of one attempt, on its way from and to a place."""

    attempt: Attempt
    uploads: Uploads
    folder: Path
    """For checkpoints that are not uploaded yet."""
    resumed: Saved | None
    """The checkpoint to go on from."""


@contextmanager
def keep(
    place: CheckpointPlace,
    attempt: Attempt,
    resumed: Saved | None,
    folder: Path,
    board: ProgressBoard,
    stop: StopRequest,
) -> Iterator[Keeping]:
    """Keep the state of an attempt at `place`, and at the end wait for the last upload.

    Raises:
        Preempted: a later pod has taken over.
    """
    uploads = Uploads(
        place,
        on_saved=board.saved,
        on_failed=lambda step, why: board.finding(not_saved(step, why)),
        saved_step=attempt.start_step or None,
    )
    try:
        yield Keeping(attempt, uploads, folder, resumed)
    finally:
        with stop.deferred():
            _finish(uploads, stop)
    uploads.check()


def _finish(uploads: Uploads, stop: StopRequest) -> None:
    """Wait for the last upload; a request that comes meanwhile says how much time is left."""
    end = time.monotonic() + _LAST_UPLOAD_SECONDS

    def left() -> float:
        return stop.seconds_left() if stop.requested else end - time.monotonic()

    while not uploads.finish(min(_LOOK_SECONDS, left())) and left() > 0:
        pass


def not_saved(step: int, why: str) -> Finding:
    """The finding that the checkpoint of `step` was lost."""
    return Finding(
        name=NOT_SAVED,
        severity="Warning",
        message=f"the checkpoint of step {step} was not saved: {why}"[:1024],
        step=step,
    )
