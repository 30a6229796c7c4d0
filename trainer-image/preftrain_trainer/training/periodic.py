"""Evaluates while training goes on, remembers the best adapter, and ends when it is past.

Imports transformers, so it must be imported after `model.loading` has imported Unsloth.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from preftrain_api.report import Evaluation
from preftrain_api.spec import EvaluationSpec
from preftrain_trainer.checkpoint.state import Selection
from preftrain_trainer.errors import Preempted
from preftrain_trainer.model.adapter import load_adapter, save_adapter
from preftrain_trainer.model.loading import LoadedModel
from preftrain_trainer.training.selection import after_evaluation


class NothingLeftToTrain(Exception):
    """The evaluation that an earlier attempt was stopped in ends the run, at the resumed step."""


class PeriodicEvaluation(TrainerCallback):
    """Evaluates on the held-out pairs every so many steps.

    Attributes:
        selection: what the evaluations so far came to.
        best: file with the best adapter, once there is one.
        newest: the evaluation of the adapter that is in the model, where it is fresh.
    """

    def __init__(
        self,
        spec: EvaluationSpec,
        model: LoadedModel,
        evaluate: Callable[[int], Evaluation | None],
        best: Path,
        selection: Selection,
    ) -> None:
        self.selection = selection
        self.best = best
        self.newest: Evaluation | None = None
        self._every = spec.every_steps
        self._rule = spec.early_stopping
        self._model = model
        self._evaluate = evaluate

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Make up for the evaluation that the last attempt was stopped in.

        Raises:
            NothingLeftToTrain: it ends the run; the library would look at that only after one
                more micro-batch, which may be a whole step.
        """
        self._look(state, control)
        if self.selection.ended:
            raise NothingLeftToTrain

    def on_log(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Evaluate when it is time; the end of the run has its own evaluation."""
        self._look(state, control)

    def finish(self, step: int) -> int:
        """Evaluate the last adapter too, and leave the best one in the model.

        Returns the step of the adapter that is in the model then.

        Raises:
            Preempted: the process was asked to end.
        """
        if self._every is None:
            return step
        if self.selection.evaluated_step != step:
            self._judge(step)
        best = self.selection.best_step
        if best is None or best == step:
            return step
        load_adapter(self._model, self.best)
        self.newest = None  # it was of the last adapter
        return best

    def _look(self, state: Any, control: Any) -> None:
        step = state.global_step
        if self._every is None or step == 0 or step % self._every or step >= state.max_steps:
            return
        if self.selection.evaluated_step == step:
            return
        try:
            self._judge(step)
        except Preempted:
            return  # whoever stops the run comes next; the next attempt evaluates this step
        if self.selection.ended:
            control.should_training_stop = True

    def _judge(self, step: int) -> None:
        self.newest = self._evaluate(step)
        if self.newest is None:
            return
        self.selection = after_evaluation(self.selection, step, self.newest, self._rule)
        if self.selection.best_step == step:
            # Checkpoints link to the earlier file, so it is replaced, never written to.
            fresh = self.best.with_name(f"{self.best.name}.fresh")
            save_adapter(self._model, fresh)
            fresh.replace(self.best)
