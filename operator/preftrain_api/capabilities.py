"""Parts of the schema that this release does not carry out yet.

A field that is accepted and then ignored would break the promise that a green job is what
was asked for, so operator and command line refuse such specs, naming the field.
"""

from collections.abc import Iterator
from typing import Final

from pydantic.alias_generators import to_camel

from preftrain_api.spec import PreferenceTrainingJobSpec

UNJUDGED_THRESHOLDS: Final = ("identical_after_truncation", "prompt_too_long", "contradictions")
"""Checks of the audit that are not made yet."""


def unsupported_fields(spec: PreferenceTrainingJobSpec) -> tuple[str, ...]:
    """Sentences that name what `spec` asks for and this release cannot do; empty when all is
    well.
    """
    return tuple(_unsupported(spec))


def _unsupported(spec: PreferenceTrainingJobSpec) -> Iterator[str]:
    dataset = spec.dataset
    if dataset.filters:
        yield "dataset.filters is not available in this release; filter the data beforehand"
    if dataset.format == "Unpaired":
        yield "dataset.format Unpaired is not available in this release; use pairs"
    thresholds = dataset.audit.thresholds if dataset.audit else None
    for name in UNJUDGED_THRESHOLDS if thresholds else ():
        if getattr(thresholds, name) is not None:
            yield (
                f"dataset.audit.thresholds.{to_camel(name)} is not available in this release; "
                "remove it"
            )
    if spec.guards:
        yield "guards is not available in this release; remove it"
    if spec.evaluation and spec.evaluation.early_stopping:
        yield "evaluation.earlyStopping is not available in this release; remove it"
    checkpoint = spec.checkpoint
    if checkpoint and (checkpoint.every_steps or checkpoint.every_seconds or checkpoint.keep != 2):
        yield (
            "checkpoint: saving and resuming are not available in this release; remove "
            "everySteps, everySeconds and keep"
        )
    if checkpoint and checkpoint.uri not in (None, spec.output.uri):
        yield "checkpoint.uri is not available in this release; remove it"
    if spec.output.merged_weights:
        yield "output.mergedWeights is not available in this release; remove it"
    if spec.managed_by not in (None, "preftrain.dev/operator"):
        yield "managedBy: only preftrain.dev/operator is available in this release"
