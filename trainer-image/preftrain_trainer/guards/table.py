"""The guards of a run: which function judges for each name, on what, and for which runs.

Adding a guard is adding an entry here and in `preftrain_api.guards`; no other module asks for
one by name.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from preftrain_api.guards import GUARD_DEFAULTS
from preftrain_api.report import Evaluation
from preftrain_api.spec.quality import GuardName
from preftrain_trainer.guards.alarm import Alarm
from preftrain_trainer.guards.collapse import (
    AccuracyState,
    DisplacementState,
    EntropyState,
    displacement,
    entropy,
    token_accuracy,
)
from preftrain_trainer.guards.continuity import ContinuityState, after_resume, resume_continuity
from preftrain_trainer.guards.finite import FiniteState, non_finite
from preftrain_trainer.guards.generalisation import (
    InvertedState,
    OverfitState,
    inverted_labels,
    overfit,
    training_accuracy,
)
from preftrain_trainer.guards.gradient import GradientState, gradient_spikes
from preftrain_trainer.guards.identity import step_one_identity
from preftrain_trainer.guards.kto import LabelState, label_imbalance
from preftrain_trainer.guards.learning import SignalState, no_signal
from preftrain_trainer.guards.orpo import LikelihoodState, likelihood_loss
from preftrain_trainer.guards.rules import Rule, RunFacts
from preftrain_trainer.guards.separation import (
    SeparationState,
    is_saturating,
    saturation,
    trivially_separable,
)
from preftrain_trainer.progress.records import StepRecord

State = Any
"""A frozen dataclass of plain numbers, of the guard's own."""
OnStep = Callable[[State, StepRecord, Rule], tuple[State, Alarm | None]]
OnEvaluation = Callable[[State, int, Evaluation, Rule], tuple[State, Alarm | None]]


@dataclass(frozen=True, slots=True)
class NoState:
    """What a guard remembers that looks at one step only."""


def _always(_run: RunFacts) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Guard:
    """How one guard judges; each function takes its state and gives the next one."""

    start: State
    on_step: OnStep | None = None
    on_evaluation: OnEvaluation | None = None
    on_resume: Callable[[State], State] | None = None
    suits: Callable[[RunFacts], bool] = _always
    """Whether it can judge such a run, beside the method."""


def _step_one(state: NoState, record: StepRecord, rule: Rule) -> tuple[NoState, Alarm | None]:
    expected = rule.run.expected
    if expected is None:
        return state, None
    return state, step_one_identity(record, expected, rule.threshold)


GUARDS: Final[Mapping[GuardName, Guard]] = {
    "NonFinite": Guard(FiniteState(), non_finite),
    "StepOneIdentity": Guard(NoState(), _step_one),
    "ResumeContinuity": Guard(ContinuityState(), resume_continuity, on_resume=after_resume),
    "NoSignal": Guard(SignalState(), no_signal),
    "TokenAccuracy": Guard(AccuracyState(), token_accuracy),
    "Entropy": Guard(EntropyState(), entropy),
    "Displacement": Guard(DisplacementState(), displacement),
    "Saturation": Guard(SeparationState(), saturation, suits=is_saturating),
    "TriviallySeparable": Guard(SeparationState(), trivially_separable),
    "Overfit": Guard(OverfitState(), training_accuracy, overfit),
    "InvertedLabels": Guard(InvertedState(), None, inverted_labels),
    "GradientSpikes": Guard(GradientState(), gradient_spikes),
    "LabelImbalance": Guard(LabelState(), label_imbalance),
    "LikelihoodLoss": Guard(LikelihoodState(), likelihood_loss),
}
"""Hyperparameters is judged before there are records (`admission`), Stall when none come any
more (`stall`)."""


def guards_of(run: RunFacts) -> Mapping[GuardName, Guard]:
    """The guards that watch such a run, in the order of the table."""
    return {
        name: guard
        for name, guard in GUARDS.items()
        if run.method in GUARD_DEFAULTS[name].methods and guard.suits(run)
    }
