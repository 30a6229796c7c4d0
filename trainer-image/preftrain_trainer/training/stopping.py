"""Ends training at a safe point once the process was asked to end.

Imports transformers, so it must be imported after `model.loading` has imported Unsloth.
"""

from typing import Any

from transformers import TrainerCallback

from preftrain_trainer.errors import Preempted
from preftrain_trainer.stop import StopRequest


class StopWatcher(TrainerCallback):
    """Ends training at the next micro-batch once the process was asked to end."""

    def __init__(self, stop: StopRequest) -> None:
        self._stop = stop

    def on_substep_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Look inside gradient accumulation too, where a step can take long."""
        self._look(state)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Look after each step."""
        self._look(state)

    def _look(self, state: Any) -> None:
        if self._stop.requested and state.global_step < state.max_steps:
            raise Preempted(
                f"asked to end after step {state.global_step} of {state.max_steps}; this "
                "release keeps no checkpoints, so the next attempt begins at step 1"
            )
