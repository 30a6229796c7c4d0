"""What a guard is told beside the record: facts of the run, and the rule it goes by. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from preftrain_api.guards import GUARD_DEFAULTS
from preftrain_api.spec import GuardRule, PreferenceTrainingJobSpec
from preftrain_api.spec.method import DpoLossType, MethodType
from preftrain_api.spec.quality import GuardAction, GuardName
from preftrain_trainer.fit.layout import Fit
from preftrain_trainer.guards.identity import StepOne
from preftrain_trainer.methods.objective import Objective
from preftrain_trainer.methods.scores import UNKNOWN, LabelledScore, PairScore
from preftrain_trainer.methods.table import Form, method_of


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What guards must know of a run beside its records."""

    method: MethodType
    losses: frozenset[DpoLossType]
    """Terms of a DPO loss; empty for other methods."""
    beta: float
    chosen_tokens: float
    """Mean length of the chosen answers (of the good ones for KTO), in tokens."""
    total_steps: int
    warmup_steps: int
    steps_per_epoch: float
    start_loss: float | None
    """Exact loss before any update; None where it is not known."""
    expected: StepOne | None
    """What the first step must show; None for a resumed run, or where it was checked before."""


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on one guard speaks, in its own unit, and what follows."""

    threshold: float
    """Where it warns."""
    stop: float
    """Where the run is past saving."""
    action: GuardAction


@dataclass(frozen=True, slots=True)
class Rule:
    """What one guard goes by in one run."""

    limits: Limits
    run: RunFacts

    @property
    def threshold(self) -> float:
        """Where the guard warns."""
        return self.limits.threshold

    @property
    def stop(self) -> float:
        """Where the run is past saving."""
        return self.limits.stop


def limits_of(name: GuardName, asked: Sequence[GuardRule] | None) -> Limits:
    """The documented limits of a guard, or what `spec.guards` puts in their place."""
    default = GUARD_DEFAULTS[name]
    given = next((rule for rule in asked or () if rule.name == name), None)
    threshold, action = default.threshold, default.action
    if given is not None:
        threshold = threshold if given.threshold is None else given.threshold
        action = given.action or action
    return Limits(threshold, default.stop * threshold / default.threshold, action)


def facts_of(
    spec: PreferenceTrainingJobSpec,
    layout: Fit,
    *,
    examples: int,
    chosen_tokens: Sequence[int],
    expected: StepOne | None,
) -> RunFacts:
    """The facts of a resolved spec, laid out.

    Args:
        spec: the resolved spec.
        layout: what it became on this device.
        examples: number of training examples.
        chosen_tokens: lengths of the chosen (for KTO: the good) answers, as they are cut.
        expected: what the first step must show, where it is still to come.
    """
    method = method_of(spec.method)
    objective = method.objective(spec.method)
    losses = (spec.method.dpo.losses or ()) if spec.method.dpo else ()
    return RunFacts(
        method=spec.method.type,
        losses=frozenset(loss.type for loss in losses if loss.weight),
        beta=objective.beta,
        chosen_tokens=sum(chosen_tokens) / max(len(chosen_tokens), 1),
        total_steps=layout.total_steps,
        warmup_steps=layout.warmup_steps,
        steps_per_epoch=examples / layout.batch_size,
        start_loss=expected.loss if expected else _constant(method.form, objective),
        expected=expected,
    )


def _constant(form: Form, objective: Objective[Any]) -> float | None:
    """The loss before any update, where it is the same for all data."""
    if objective.measured:
        return None
    batches: tuple[list[Any], ...] = (
        ([PairScore(UNKNOWN, UNKNOWN)],)
        if form == "Pairs"
        else tuple([LabelledScore(UNKNOWN, good, UNKNOWN)] for good in (True, False))
    )
    # Labels of different weights make it depend on what a batch consists of.
    losses = {objective.loss(batch) for batch in batches}
    return losses.pop() if len(losses) == 1 else None
