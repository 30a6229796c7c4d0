"""Judges an adapter whenever that is asked for, and keeps what the report says about it."""

from pathlib import Path

from preftrain_api.report import Evaluation
from preftrain_api.spec import PreferenceTrainingJobSpec
from preftrain_trainer.data.pairs import PreparedData
from preftrain_trainer.evaluation.evaluate import HeldOut, evaluate, read_held_out
from preftrain_trainer.evaluation.history import note_evaluation
from preftrain_trainer.evaluation.margins import PairMargin
from preftrain_trainer.fit.layout import Fit
from preftrain_trainer.model.loading import LoadedModel
from preftrain_trainer.progress.board import ProgressBoard
from preftrain_trainer.stop import StopRequest


class Judge:
    """Judges the adapter that is in a model on the held-out pairs, which are tokenized once.

    Attributes:
        margins: of the pairs in the newest evaluation.
    """

    def __init__(
        self,
        model: LoadedModel,
        data: PreparedData,
        spec: PreferenceTrainingJobSpec,
        layout: Fit,
        board: ProgressBoard,
        stop: StopRequest,
        log: Path,
    ) -> None:
        """`log` takes one line an evaluation."""
        self.margins: tuple[PairMargin, ...] = ()
        self._model = model
        self._data = data
        self._spec = spec
        self._layout = layout
        self._board = board
        self._stop = stop
        self._log = log
        self._held_out: HeldOut | None = None

    def __call__(self, step: int) -> Evaluation | None:
        """The figures after `step`; None where nothing is held out.

        Raises:
            Preempted: the process was asked to end.
            DataRefused: too many held-out examples cannot be used at this length.
            GuardStopped: the model gives no numbers any more.
        """
        if self._held_out is None:
            self._held_out = read_held_out(self._model, self._data, self._spec, self._stop)
        self.margins = ()
        found = evaluate(
            self._model,
            self._held_out,
            self._data,
            self._spec,
            self._layout,
            board=self._board,
            stop=self._stop,
            margins=self._keep,
        )
        return note_evaluation(self._log, step, found)

    def _keep(self, margins: tuple[PairMargin, ...]) -> None:
        self.margins = margins
