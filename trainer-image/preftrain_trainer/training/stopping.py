"""Ends training at a safe point once the process was asked to end, and saves what was done.

Weights change only at the end of a step. So inside gradient accumulation the partial sums are
given up, the random numbers go back to the last whole step, and what is saved is exactly its
end: a resumed run repeats the micro-batches that were given up, with the same dropout.

Imports transformers, so it must be imported after `model.loading` has imported Unsloth.
"""

from typing import Any

from transformers import TrainerCallback

from preftrain_trainer.checkpoint import rng
from preftrain_trainer.checkpoint.uploads import Uploads
from preftrain_trainer.errors import Preempted
from preftrain_trainer.stop import StopRequest
from preftrain_trainer.training.saving import Checkpointer


class StopWatcher(TrainerCallback):
    """Ends training within one micro-batch once the process was asked to end."""

    def __init__(
        self, stop: StopRequest, checkpointer: Checkpointer | None, uploads: Uploads | None
    ) -> None:
        self._stop = stop
        self._checkpointer = checkpointer
        self._uploads = uploads
        self._begin: rng.RandomNumbers | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Do not even begin."""
        if self._stop.requested:
            self._end(state)

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Remember the random numbers of the last step's end."""
        self._begin = rng.snapshot()

    def on_substep_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Look inside gradient accumulation too, where a step can take long."""
        if self._stop.requested:
            if self._begin is not None:
                rng.restore(self._begin)
            self._end(state)

    def on_log(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Look after each step; after the last one the run has better places to end."""
        if self._stop.requested and state.global_step < state.max_steps:
            self._end(state)

    def _end(self, state: Any) -> None:
        done = f"asked to end after step {state.global_step} of {state.max_steps}"
        if self._checkpointer is None or self._uploads is None:
            raise Preempted(f"{done}; nothing is saved")
        if state.global_step:
            self._checkpointer.save(state.global_step)
        in_time = self._uploads.finish(self._stop.seconds_left())
        self._uploads.check()
        safe = self._uploads.saved_step
        if safe == state.global_step:
            raise Preempted(f"{done}, which is saved; the next attempt goes on from there")
        why = "" if in_time else ", because saving took longer than the pod is given to end"
        raise Preempted(f"{done}; the next attempt begins after step {safe or 0}{why}")
