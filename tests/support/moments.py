"""Moments at which a trainer strikes itself with a signal, for tests that pull the plug.

A moment names a place in the trainer's code and the how-manieth time it is reached. The signal
is real and goes to the whole process: SIGKILL leaves no chance to do anything about it.
"""

import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from preftrain_api.exit_codes import ExitCode

Matches = Callable[..., bool]


@dataclass(frozen=True, slots=True)
class Moment:
    """When a trainer is struck, and with what."""

    signal: str
    """Its name without SIG."""
    at: str
    """A name in `PLACES`, or one of those that `install` tells of."""
    count: int = 1
    """The how-manieth time the place is reached; for `time` the step after which."""
    seconds: float = 0.0
    """For `time`: how long after that step."""

    def __str__(self) -> str:
        if self.at == "time":
            return f"SIG{self.signal} {self.seconds:.2f} s after step {self.count}"
        return f"SIG{self.signal} {self.at} ({self.count})"

    @property
    def exit_code(self) -> int | None:
        """How the struck attempt has to end; None where it depends on chance."""
        if self.at == "time":
            return None
        if self.signal == "KILL":
            return -signal.SIGKILL
        # What little is left to do then is done.
        return ExitCode.DONE if self.at in ("exporting", "publishing") else ExitCode.PREEMPTED


def install(moment: Moment) -> None:
    """Make this process strike itself at `moment`.

    At `time` the signal comes some seconds after a step, wherever the trainer is then. At
    `adapter` none comes: the training library loads no adapter when it resumes.
    """
    if moment.at == "adapter":
        _lose_the_adapter()
        return
    number = signal.Signals[f"SIG{moment.signal}"]
    if moment.at == "time":
        _after_seconds(moment.count, moment.seconds, number)
        return
    remaining = moment.count

    def strike() -> None:
        nonlocal remaining
        remaining -= 1
        if remaining == 0:
            os.kill(os.getpid(), number)

    PLACES[moment.at](strike)


def _wrap(owner: Any, name: str, strike: Callable[[], None], when: Matches, *, after: bool) -> None:
    original = getattr(owner, name)

    @wraps(original)
    def wrapped(*arguments: Any, **named: Any) -> Any:
        hit = when(*arguments, **named)
        if hit and not after:
            strike()
        result = original(*arguments, **named)
        if hit and after:
            strike()
        return result

    setattr(owner, name, wrapped)


def _preparing(strike: Callable[[], None]) -> None:
    """Nothing is read yet."""
    from preftrain_trainer.progress.board import ProgressBoard

    _wrap(ProgressBoard, "phase", strike, lambda _, name: name == "PreparingData", after=True)


def _loading(strike: Callable[[], None]) -> None:
    from preftrain_trainer.progress.board import ProgressBoard

    _wrap(ProgressBoard, "phase", strike, lambda _, name: name == "LoadingModel", after=True)


def _accumulating(strike: Callable[[], None]) -> None:
    """After a micro-batch that is not the last of its step."""
    from preftrain_trainer.training.stopping import StopWatcher

    _wrap(StopWatcher, "on_substep_end", strike, lambda *_, **__: True, after=False)


def _stepped(strike: Callable[[], None]) -> None:
    """The weights are new, the step is not written down yet."""
    from preftrain_trainer.training.reporter import StepReporter

    _wrap(StepReporter, "on_log", strike, _is_step, after=False)


def _logged(strike: Callable[[], None]) -> None:
    from preftrain_trainer.training.reporter import StepReporter

    _wrap(StepReporter, "on_log", strike, _is_step, after=True)


def _is_step(*_: Any, logs: dict[str, float] | None = None, **__: Any) -> bool:
    return bool(logs) and "loss" in (logs or {})


def _writing(strike: Callable[[], None]) -> None:
    """Some files of a checkpoint are on the local disk, some are not."""
    from preftrain_trainer.training import saving

    _wrap(saving, "save_adapter", strike, lambda *_: True, after=True)


def _uploading(strike: Callable[[], None]) -> None:
    """Some files of a checkpoint are up, some are not."""
    from preftrain_trainer.places.folder_store import FolderStore

    _wrap(FolderStore, "put_file", strike, lambda _, key, *__: "/step-" in key, after=True)


def _before_pointer(strike: Callable[[], None]) -> None:
    """All files of a checkpoint are up, the pointer has not moved."""
    from preftrain_trainer.places.folder_store import FolderStore

    _wrap(FolderStore, "put", strike, lambda _, key, *__: key.endswith("latest.json"), after=False)


def _after_pointer(strike: Callable[[], None]) -> None:
    """The pointer has moved, older checkpoints are still there."""
    from preftrain_trainer.places.folder_store import FolderStore

    _wrap(FolderStore, "put", strike, lambda _, key, *__: key.endswith("latest.json"), after=True)


def _removing(strike: Callable[[], None]) -> None:
    """Half of an old checkpoint is gone."""
    from preftrain_trainer.places.folder_store import FolderStore

    _wrap(FolderStore, "delete", strike, lambda _, key: "/step-" in key, after=True)


def _evaluating(strike: Callable[[], None]) -> None:
    """A batch is scored, the next is not."""
    from preftrain_trainer.model.likelihood import Scorer

    _wrap(Scorer, "_batch", strike, lambda *_: True, after=True)


def _exporting(strike: Callable[[], None]) -> None:
    from preftrain_trainer import conclusion

    _wrap(conclusion, "export_adapter", strike, lambda *_: True, after=True)


def _publishing(strike: Callable[[], None]) -> None:
    """Some files of the adapter are up, the manifest is not."""
    from preftrain_trainer.places.folder_store import FolderStore

    _wrap(
        FolderStore, "put_file", strike, lambda _, key, *__: key.startswith("adapter/"), after=True
    )


def _after_seconds(step: int, seconds: float, number: signal.Signals) -> None:
    from preftrain_trainer.progress.board import ProgressBoard

    timer = threading.Timer(seconds, os.kill, (os.getpid(), number))
    timer.daemon = True
    if step:
        _wrap(ProgressBoard, "step", timer.start, lambda _, done: done.step == step, after=True)
    else:
        _wrap(ProgressBoard, "phase", timer.start, _begins_training, after=True)


def _begins_training(board: Any, name: str) -> bool:
    return name == "Training" and board.snapshot().step == 0


def _lose_the_adapter() -> None:
    from transformers import Trainer

    Trainer._load_from_checkpoint = lambda *_: None  # type: ignore[method-assign]


PLACES: dict[str, Callable[[Callable[[], None]], None]] = {
    "preparing": _preparing,
    "loading": _loading,
    "accumulating": _accumulating,
    "stepped": _stepped,
    "logged": _logged,
    "writing": _writing,
    "uploading": _uploading,
    "before the pointer": _before_pointer,
    "after the pointer": _after_pointer,
    "removing": _removing,
    "evaluating": _evaluating,
    "exporting": _exporting,
    "publishing": _publishing,
}
