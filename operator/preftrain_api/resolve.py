"""Fills in the defaults of a spec that need more than one field to be known.

Defaults of single fields stand at the fields. What depends on the machine (micro-batch,
precision, optimizer) stays open here: the trainer decides and reports it.
"""

from math import gcd
from typing import Any, Final, TypeVar

from preftrain_api.spec import (
    CheckpointSpec,
    DpoLoss,
    DpoSpec,
    EvaluationSpec,
    KtoSpec,
    LoraSpec,
    MethodSpec,
    OrpoSpec,
    PreferenceTrainingJobSpec,
    TrainingSpec,
)
from preftrain_api.spec.compute import ComputeSpec
from preftrain_api.spec.method import DpoLossType, MethodType
from preftrain_api.wire import WireModel

Model = TypeVar("Model", bound=WireModel)

LEARNING_RATE: Final[dict[MethodType, float]] = {"DPO": 5e-6, "ORPO": 8e-6, "KTO": 5e-6}
"""LoRA rates: TRL's own DPO script and the QLoRA recipe of the alignment handbook use 5e-6,
the ORPO authors 8e-6 (arXiv 2403.07691, section 5.1)."""

TARGET_MODULES: Final = (
    "q_proj",
    "k_proj",
    "v_proj",
    "o_proj",
    "gate_proj",
    "up_proj",
    "down_proj",
)

DEFAULT_EVAL_FRACTION: Final = 0.05

COUPLED_MICRO_BATCH: Final = 4
"""Micro-batch of losses that compare its examples with one another. There its size is part of
the loss, so it is a number and never the machine's choice."""
COUPLED_LOSSES: Final[frozenset[DpoLossType]] = frozenset({"AOT", "AOTUnpaired"})
"""Losses of pairs that do so: they sort the pairs of a micro-batch. KTO does in any case."""


def resolve(spec: PreferenceTrainingJobSpec) -> PreferenceTrainingJobSpec:
    """The same spec with every default that does not depend on the machine written out.

    Resolving twice changes nothing.
    """
    training = spec.training or TrainingSpec()
    if training.learning_rate is None:
        training = _with(training, learning_rate=LEARNING_RATE[spec.method.type])
    if training.epochs is None and training.max_steps is None:
        training = _with(training, epochs=1.0)
    if training.micro_batch_size is None and _couples_examples(spec.method):
        training = _with(training, micro_batch_size=gcd(training.batch_size, COUPLED_MICRO_BATCH))
    dataset = spec.dataset
    if dataset.split is None:
        dataset = _with(dataset, split="train")
    if dataset.eval_fraction is None and dataset.eval_split is None:
        dataset = _with(dataset, eval_fraction=DEFAULT_EVAL_FRACTION)
    lora = spec.lora or LoraSpec()
    if lora.target_modules is None:
        lora = _with(lora, target_modules=TARGET_MODULES)
    return _with(
        spec,
        training=training,
        dataset=dataset,
        lora=lora,
        method=_resolve_method(spec.method),
        evaluation=spec.evaluation or EvaluationSpec(),
        checkpoint=_resolve_checkpoint(spec),
        compute=spec.compute or ComputeSpec(),
    )


def _couples_examples(method: MethodSpec) -> bool:
    losses = (method.dpo.losses or ()) if method.dpo else ()
    return method.type == "KTO" or any(loss.type in COUPLED_LOSSES for loss in losses)


def _resolve_method(method: MethodSpec) -> MethodSpec:
    if method.type == "ORPO":
        return _with(method, orpo=method.orpo or OrpoSpec())
    if method.type == "KTO":
        return _with(method, kto=method.kto or KtoSpec())
    dpo = method.dpo or DpoSpec()
    if dpo.losses is None:
        dpo = _with(dpo, losses=(DpoLoss(type="Sigmoid"),))
    return _with(method, dpo=dpo)


def _resolve_checkpoint(spec: PreferenceTrainingJobSpec) -> CheckpointSpec:
    checkpoint = spec.checkpoint or CheckpointSpec()
    if checkpoint.uri is not None:
        return checkpoint
    return _with(
        checkpoint,
        uri=spec.output.uri,
        secret_ref=checkpoint.secret_ref or spec.output.secret_ref,
        s3=checkpoint.s3 or spec.output.s3,
    )


def _with(model: Model, **changes: Any) -> Model:
    return model.model_copy(update=changes)
