"""Judges an adapter whenever that is asked for, and keeps what the report says about it."""

from dataclasses import dataclass, field
from pathlib import Path

from preftrain_api.report import Evaluation
from preftrain_api.spec import PreferenceTrainingJobSpec
from preftrain_trainer.data.pairs import PreparedData
from preftrain_trainer.evaluation.evaluate import evaluate
from preftrain_trainer.evaluation.history import note_evaluation
from preftrain_trainer.evaluation.margins import PairMargin
from preftrain_trainer.fit.layout import Fit
from preftrain_trainer.model.loading import LoadedModel
from preftrain_trainer.progress.board import ProgressBoard
from preftrain_trainer.stop import StopRequest


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges the adapter that is in `model` on the held-out pairs.

    Attributes:
        log: takes one line an evaluation.
        margins: of the pairs in the newest evaluation.
    """

    model: LoadedModel
    data: PreparedData
    spec: PreferenceTrainingJobSpec
    layout: Fit
    board: ProgressBoard
    stop: StopRequest
    log: Path
    margins: list[PairMargin] = field(default_factory=list, init=False)

    def __call__(self, step: int) -> Evaluation | None:
        """The figures after `step`; None where nothing is held out.

        Raises:
            TrainerError: as `evaluate` does.
        """
        self.margins.clear()
        found = evaluate(
            self.model,
            self.data,
            self.spec,
            self.layout,
            board=self.board,
            stop=self.stop,
            margins=self.margins.extend,
        )
        return note_evaluation(self.log, step, found)
