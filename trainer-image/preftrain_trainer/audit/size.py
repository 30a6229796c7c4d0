"""Whether there are enough examples to learn from and to judge with."""

from collections.abc import Iterator
from math import ceil
from typing import Final

from preftrain_api.spec import PreferenceTrainingJobSpec, TrainingSpec
from preftrain_trainer.audit.check import Check, Measure

FEW_HELD_OUT: Final = 100
"""With fewer the default gate is not judged."""

FEW_EXAMPLES: Final = Check(
    "fewExamples",
    "are few to learn from",
    "use more data, or expect little change",
    "Warn",
    "ours",
    "few_examples",
    compares="Below",
)
FEW_STEPS: Final = Check(
    "fewSteps",
    "are few",
    "lower training.batchSize, raise training.epochs, or use more data",
    "Warn",
    "ours: warm-up and decay need some steps to be more than a jump",
    "few_steps",
    "optimizer steps",
    compares="Below",
)
HELD_OUT: Final = Check(
    "fewHeldOut",
    "are held out, too few to judge the adapter",
    "raise dataset.evalFraction or set dataset.evalSplit",
    "Report",
    "the default gate needs 100: below that an accuracy of 0.6 could not be told from chance",
    fixed=FEW_HELD_OUT,
    compares="Below",
)
CHECKS: Final = (FEW_EXAMPLES, FEW_STEPS, HELD_OUT)


def measures(
    examples: int, held_out: int, spec: PreferenceTrainingJobSpec, *, paired: bool
) -> Iterator[Measure]:
    """The three sizes."""
    yield Measure(
        FEW_EXAMPLES,
        examples,
        examples,
        value=examples,
        statement=f"{examples} examples to train on",
    )
    steps = steps_of(examples, spec, paired=paired)
    yield Measure(FEW_STEPS, steps, steps, value=steps, statement=f"{steps} optimizer steps")
    yield Measure(
        HELD_OUT,
        held_out,
        held_out,
        value=held_out,
        statement=f"{held_out} held-out examples; the default gate needs {FEW_HELD_OUT}",
    )


def steps_of(examples: int, spec: PreferenceTrainingJobSpec, *, paired: bool) -> int:
    """Optimizer steps of the run; KTO takes a pair for two examples."""
    training = spec.training or TrainingSpec()
    if training.max_steps is not None:
        return training.max_steps
    count = 2 * examples if paired and spec.method.type == "KTO" else examples
    epochs = 1.0 if training.epochs is None else training.epochs
    return ceil(count * epochs / training.batch_size)
