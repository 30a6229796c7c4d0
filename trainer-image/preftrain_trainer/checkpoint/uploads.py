"""Brings checkpoints to their place while training goes on.

One thread seals and uploads; at most one more checkpoint waits, and a newer one takes its
place. What fails is told and made up for by the next, so a store that is away for a while
costs checkpoints but never the run.
"""

import logging
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from preftrain_trainer.checkpoint.local import Describe, seal
from preftrain_trainer.checkpoint.remote import CheckpointPlace
from preftrain_trainer.errors import Preempted, TrainerError

_log = logging.getLogger("preftrain")


@dataclass(frozen=True, slots=True)
class Written:
    """A checkpoint whose files are complete in a local folder, but not sealed yet."""

    step: int
    folder: Path
    describe: Describe


class Uploads:
    """A thread that uploads checkpoints, and what became of them.

    Attributes:
        saved_step: step of the newest checkpoint that is safe; None while there is none.
    """

    def __init__(
        self,
        place: CheckpointPlace,
        on_saved: Callable[[int], None],
        on_failed: Callable[[int, str], None],
        saved_step: int | None = None,
    ) -> None:
        """`on_saved` and `on_failed` are called in the thread, with the step."""
        self.saved_step = saved_step
        self._place = place
        self._on_saved = on_saved
        self._on_failed = on_failed
        self._waiting: Written | None = None
        self._uploading: Written | None = None
        self._overtaken: Preempted | None = None
        self._bug: Exception | None = None
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def submit(self, written: Written) -> None:
        """Upload next; whatever waits for its turn is given up for it."""
        with self._changed:
            if self._waiting is not None:
                _remove(self._waiting.folder)
            self._waiting = written
            if self._thread is None:
                # Starts with the first checkpoint, and ends with the process.
                self._thread = threading.Thread(
                    target=self._work, name="checkpoint-uploads", daemon=True
                )
                self._thread.start()
            self._changed.notify_all()

    def check(self) -> None:
        """Go on only while no later pod has taken over.

        Raises:
            Preempted: one has.
            Exception: whatever the thread did not expect.
        """
        if self._bug is not None:
            raise self._bug
        if self._overtaken is not None:
            raise self._overtaken

    def finish(self, seconds: float) -> bool:
        """Wait until nothing is left to upload; False when `seconds` did not suffice."""
        end = time.monotonic() + seconds
        with self._changed:
            return self._changed.wait_for(
                lambda: self._waiting is None and self._uploading is None,
                max(0.0, end - time.monotonic()),
            )

    def has(self, step: int) -> bool:
        """Whether the checkpoint of `step` is safe, or on its way."""
        with self._changed:
            under_way = [written.step for written in (self._waiting, self._uploading) if written]
        return step == self.saved_step or step in under_way

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting is not None)
                written, self._waiting = self._waiting, None
                self._uploading = written
            assert written is not None  # noqa: S101  # that is what was waited for
            try:
                self._upload(written)
            except Exception as error:  # noqa: BLE001 - handed to the main thread
                self._bug = error
            finally:
                _remove(written.folder)
                with self._changed:
                    self._uploading = None
                    self._changed.notify_all()

    def _upload(self, written: Written) -> None:
        try:
            self._place.upload(written.folder, seal(written.folder, written.describe))
        except Preempted as error:
            self._overtaken = error
            return
        except (TrainerError, OSError) as error:
            self._on_failed(written.step, str(error))
            return
        self.saved_step = written.step
        self._on_saved(written.step)
        try:
            self._place.remove_old(written.step)
        except Preempted as error:
            self._overtaken = error
        except TrainerError as error:
            _log.warning("older checkpoints were not removed: %s", error)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
