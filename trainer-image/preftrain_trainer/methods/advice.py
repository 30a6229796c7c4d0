"""What people recommend, held against what a job asks for. Pure; changes nothing.

Every range is a hint: a value outside of it may be right for a model or a data set, so advice
is of severity Info and a run goes on as it was asked for.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from preftrain_api.report import Finding
from preftrain_api.resolve import resolve
from preftrain_api.spec import DpoSpec, MethodSpec, PreferenceTrainingJobSpec, TrainingSpec
from preftrain_api.spec.method import MethodType
from preftrain_trainer.data.pairs import Kind
from preftrain_trainer.methods.table import dpo_losses, method_of


@dataclass(frozen=True, slots=True)
class Range:
    """What is usual for one field."""

    low: float
    high: float
    why: str

    def holds(self, value: float) -> bool:
        """Whether `value` is usual."""
        return self.low <= value <= self.high


BETA: Final[Mapping[MethodType, Range]] = {
    "DPO": Range(
        0.05,
        0.5,
        "lower values drift further from the base model, higher ones hardly move; the best value "
        "depends on the model (0.01 to 0.6 in huggingface.co/blog/pref-tuning)",
    ),
    "KTO": Range(0.05, 0.5, "its authors use 0.1 (arXiv 2402.01306, section 4)"),
    "ORPO": Range(0.05, 0.5, "its authors use 0.1 to 0.5 (arXiv 2403.07691, section 5)"),
}
IPO_BETA: Final = Range(
    0.01,
    0.5,
    "for IPO beta is the paper's tau and sets a gap of 1 / (2 beta) nats a token: 5 at 0.1",
)
LEARNING_RATE: Final = Range(
    1e-6,
    2e-5,
    "usual for LoRA, of which this is one (5e-6 in TRL's DPO script and in the alignment "
    "handbook's QLoRA recipe); 1e-7 to 5e-6 is usual where all weights are trained",
)
EPOCHS: Final = Range(
    1.0,
    2.0,
    "quality often falls before the end of the first epoch (arXiv 2406.02900), and less than one "
    "leaves data unused",
)
MAX_LENGTH: Final = Range(
    1024, 2048, "shorter cuts the ends off answers, longer takes memory that padding wastes"
)
FEW_STEPS: Final = 20
"""With fewer updates a learning rate of a few millionths moves next to nothing."""


def advice(spec: PreferenceTrainingJobSpec, examples: int, kind: Kind) -> tuple[Finding, ...]:
    """What is unusual about `spec`, as findings of severity Info, each naming its field.

    Args:
        spec: resolved or not.
        examples: rows of the data that are trained on.
        kind: pairs, or answers with labels.
    """
    return tuple(
        Finding(name=name, severity="Info", message=message)
        for name, judge in _JUDGES.items()
        for message in judge(_Asked(resolve(spec), examples, kind))
    )


@dataclass(frozen=True, slots=True)
class _Asked:
    spec: PreferenceTrainingJobSpec
    rows: int
    kind: Kind

    @property
    def method(self) -> MethodSpec:
        return self.spec.method

    @property
    def training(self) -> TrainingSpec:
        return self.spec.training or TrainingSpec()

    @property
    def examples(self) -> int:
        """A pair is two examples to a method that learns from single answers."""
        unpaired = self.kind == "Paired" and method_of(self.method).form == "Answers"
        return 2 * self.rows if unpaired else self.rows

    @property
    def epochs(self) -> float:
        """Passes over the data, also where steps are given."""
        training = self.training
        if training.max_steps is None:
            return training.epochs or 1.0
        return training.max_steps * training.batch_size / max(self.examples, 1)

    @property
    def steps(self) -> float:
        return self.epochs * self.examples / self.training.batch_size


def _beta(asked: _Asked) -> Iterator[str]:
    method = asked.method
    own = method.dpo or method.orpo or method.kto
    beta = own.beta if own else DpoSpec().beta
    ipo = method.dpo is not None and any(loss.type == "IPO" for loss in dpo_losses(method.dpo))
    usual = IPO_BETA if ipo else BETA[method.type]
    yield from _unusual(f"method.{method.type.lower()}.beta", beta, usual)


def _learning_rate(asked: _Asked) -> Iterator[str]:
    yield from _unusual("training.learningRate", asked.training.learning_rate or 0.0, LEARNING_RATE)


def _epochs(asked: _Asked) -> Iterator[str]:
    training = asked.training
    field = "training.epochs" if training.max_steps is None else "training.maxSteps, in epochs,"
    yield from _unusual(field, round(asked.epochs, 2), EPOCHS)


def _max_length(asked: _Asked) -> Iterator[str]:
    yield from _unusual("training.maxLength", asked.training.max_length, MAX_LENGTH)


def _steps(asked: _Asked) -> Iterator[str]:
    if asked.steps < FEW_STEPS:
        yield (
            f"these data make {asked.steps:.0f} optimizer steps, and fewer than {FEW_STEPS} move "
            "next to nothing; lower training.batchSize, or raise training.epochs"
        )


def _losses(asked: _Asked) -> Iterator[str]:
    dpo = asked.method.dpo
    if dpo is None:
        return
    types = {loss.type for loss in dpo_losses(dpo)}
    if types == {"SFT"}:
        yield (
            "method.dpo.losses holds SFT alone, which never looks at the rejected answers; add "
            "Sigmoid to learn preferences"
        )
    if "Robust" in types and not dpo.label_smoothing:
        yield "method.dpo.losses: without method.dpo.labelSmoothing Robust is the same as Sigmoid"
    if dpo.ld_alpha is not None and types & {"IPO", "SigmoidNorm"}:
        yield (
            "method.dpo.ldAlpha and a loss per token correct for length both; one of them is usual"
        )


def _reference(asked: _Asked) -> Iterator[str]:
    method, precomputed = asked.method, asked.training.precompute_reference
    mismatched = method.kto is not None and method.kto.loss_type == "KTO"
    if precomputed and mismatched:
        yield (
            "training.precomputeReference spares KTO little: the mismatched answers are new at "
            "every step"
        )
    elif precomputed and asked.epochs <= 1:
        yield (
            "training.precomputeReference spares nothing when every example is seen once; it "
            "pays from the second epoch on"
        )
    elif not precomputed and method_of(method).has_reference and asked.epochs >= 2:
        yield (
            "training.precomputeReference would spare one of two forward passes from the second "
            "epoch on"
        )


_JUDGES: Final[Mapping[str, Callable[[_Asked], Iterator[str]]]] = {
    "adviceBeta": _beta,
    "adviceLearningRate": _learning_rate,
    "adviceEpochs": _epochs,
    "adviceMaxLength": _max_length,
    "adviceSteps": _steps,
    "adviceLosses": _losses,
    "adviceReference": _reference,
}


def _unusual(field: str, value: float, usual: Range) -> Iterator[str]:
    if not usual.holds(value):
        yield f"{field} is {value:g}, usual is {usual.low:g} to {usual.high:g}: {usual.why}"
