"""Puts the state of a checkpoint back, and proves that it is there.

TRL and PEFT have lost a trained adapter here without a word: with a second adapter in the
model, the training library loads only that one. There is none any more, and whatever else may
go wrong on the way from the file into the model shows in the digest.

Imports transformers, so it must be imported after `model.loading` has imported Unsloth.
"""

import shutil
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from preftrain_trainer.checkpoint.local import tensors_sha256
from preftrain_trainer.checkpoint.remote import Saved
from preftrain_trainer.checkpoint.state import (
    ADAPTER,
    BEST_ADAPTER,
    EVALUATIONS,
    STEPS,
    ResumeState,
)
from preftrain_trainer.errors import InternalError
from preftrain_trainer.model.adapter import adapter_arrays, load_adapter
from preftrain_trainer.model.loading import LoadedModel, require_trainable
from preftrain_trainer.progress.records import StepRecord


class ResumeCheck(TrainerCallback):
    """Compares what the training library has loaded with what was saved."""

    def __init__(self, model: LoadedModel, state: ResumeState) -> None:
        self._model = model
        self._state = state

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Compare before the first micro-batch."""
        if state.global_step != self._state.step:
            raise InternalError(
                f"the checkpoint is of step {self._state.step}, but training would go on after "
                f"step {state.global_step}"
            )
        require_adapter(self._model, self._state)


def require_adapter(model: LoadedModel, state: ResumeState) -> None:
    """Compare the adapter in the model with the one that was saved.

    Raises:
        InternalError: it is another one, or is trained differently.
    """
    if tensors_sha256(adapter_arrays(model)) != state.adapter_sha256:
        raise InternalError(
            f"the adapter of step {state.step} was not restored: its tensors in the model are "
            "not those that were saved"
        )
    if require_trainable(model.network) != model.trainable:
        raise InternalError("resuming changed which parameters are trained")


def restore_log(saved: Saved, log: Path, best: Path) -> StepRecord:
    """Bring back the logs and the best adapter; returns the last step's figures."""
    log.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(saved.folder / STEPS, log)
    if (evaluations := saved.folder / EVALUATIONS).is_file():
        shutil.copyfile(evaluations, log.with_name(EVALUATIONS))
    selected = saved.state.selection.best_step
    if selected is not None:
        name = ADAPTER if selected == saved.state.step else BEST_ADAPTER
        shutil.copyfile(saved.folder / name, best)
    return StepRecord.of_plain(saved.state.last_record)


def restore_finished(model: LoadedModel, saved: Saved) -> None:
    """Put the adapter of a training that had come to its end into the model."""
    load_adapter(model, saved.folder / ADAPTER)
    require_adapter(model, saved.state)


def continue_count(trainer: Any, record: StepRecord) -> None:
    """Let the library count tokens on, where it counts them; it does not save the number."""
    if record.tokens is not None:
        trainer._total_train_tokens = int(record.tokens)
