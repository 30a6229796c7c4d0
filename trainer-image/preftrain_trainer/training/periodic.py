"""Evaluates while training goes on.

Imports transformers, so it must be imported after `model.loading` has imported Unsloth.
"""

from collections.abc import Callable
from typing import Any

from transformers import TrainerCallback

from preftrain_api.report import Evaluation


class PeriodicEvaluation(TrainerCallback):
    """Evaluates on the held-out pairs every so many steps."""

    def __init__(self, every_steps: int, evaluate: Callable[[int], Evaluation | None]) -> None:
        self._every = every_steps
        self._evaluate = evaluate

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Evaluate when it is time; the end of the run has its own evaluation."""
        if state.global_step % self._every == 0 and state.global_step < state.max_steps:
            self._evaluate(state.global_step)
