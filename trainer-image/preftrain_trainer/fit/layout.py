"""How a run is laid out on its device: portions, number of steps, precision, optimizer.

Pure arithmetic on the spec and the device; what `Auto` became is shown in `status.resolved`.
"""

from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, gcd
from typing import Final, Literal

from preftrain_api.spec import ComputeSpec, PreferenceTrainingJobSpec, TrainingSpec
from preftrain_trainer.errors import BadSpec
from preftrain_trainer.fit.device import Device, find_device
from preftrain_trainer.methods.refusals import require_micro_batch, require_sensible

Precision = Literal["BF16", "FP16", "FP32"]
Optimizer = Literal["AdamW", "AdamW8bit"]

AUTO_MICRO_BATCH: Final = 2
"""Pairs at once when nothing is said: fits a 7 B model in 4 bits into 16 GB."""
EVAL_BATCH: Final = 4
"""Held-out pairs at once; no activations are kept, so the memory of training suffices."""
GPU_PADDING: Final = 64
"""On a GPU lengths are rounded up to this, so that few shapes are compiled (measured: 10 %
faster on pairs of mixed lengths than padding to the longest)."""


@dataclass(frozen=True, slots=True)
class Fit:
    """The layout of a run."""

    device: Device
    batch_size: int
    micro_batch_size: int
    eval_batch_size: int
    total_steps: int
    warmup_steps: int
    precision: Precision
    optimizer: Optimizer
    gradient_checkpointing: bool
    pad_to_multiple_of: int | None

    @property
    def accumulation(self) -> int:
        """Micro-batches per optimizer step."""
        return self.batch_size // self.micro_batch_size

    def resolved(self) -> dict[str, str]:
        """What the open parts of the spec became on this machine, for people to read."""
        return {
            "microBatchSize": str(self.micro_batch_size),
            "precision": self.precision,
            "optimizer": self.optimizer,
            "device": self.device.name,
        }


def fit(spec: PreferenceTrainingJobSpec, examples: int, device: Device) -> Fit:
    """Lay out the resolved `spec` for `examples` training examples on `device`.

    Raises:
        BadSpec: method or device cannot do what the spec asks for; the sentence
            names the field.
    """
    training = _of(spec)
    micro_batch = _micro_batch(training)
    require_micro_batch(spec.method, micro_batch)
    if spec.model.quantization == "NF4" and device.kind == "CPU":
        raise BadSpec(
            "model.quantization must be None when compute.accelerator is CPU, because 4-bit "
            "training needs a GPU"
        )
    layout = Fit(
        device=device,
        batch_size=training.batch_size,
        micro_batch_size=micro_batch,
        eval_batch_size=EVAL_BATCH,
        total_steps=0,
        warmup_steps=0,
        precision=_precision(training, device),
        optimizer=_optimizer(training, device),
        # Recomputing activations trades a third more time for memory; models that a CPU can
        # train are small beside its memory.
        gradient_checkpointing=device.kind == "GPU",
        pad_to_multiple_of=GPU_PADDING if device.kind == "GPU" else None,
    )
    return with_examples(layout, training, examples)


def refuse_impossible(spec: PreferenceTrainingJobSpec) -> None:
    """Refuse, before anything is read, what no data and no machine could make possible.

    Which GPU a pod will get is not known yet, so its limits are for `fit` to judge.

    Raises:
        BadSpec: method or accelerator cannot do what the resolved spec asks for.
    """
    compute = spec.compute or ComputeSpec()
    require_sensible(spec)
    require_micro_batch(spec.method, _micro_batch(_of(spec)))
    if compute.accelerator == "CPU":
        fit(spec, 1, find_device(compute))


def with_examples(layout: Fit, training: TrainingSpec, examples: int) -> Fit:
    """The same layout for another number of training examples.

    Warm-up is rounded down, so that a run of a few steps does not spend its first one at a
    learning rate of 0.
    """
    steps = training.max_steps or ceil(
        Fraction(str(training.epochs or 1)) * examples / training.batch_size
    )
    warmup = int(Fraction(str(training.warmup_ratio)) * steps)
    return replace(layout, total_steps=max(steps, 1), warmup_steps=warmup)


def _of(spec: PreferenceTrainingJobSpec) -> TrainingSpec:
    return spec.training or TrainingSpec()


def _micro_batch(training: TrainingSpec) -> int:
    # A resolved spec names it wherever it is part of the loss.
    if training.micro_batch_size is not None:
        return training.micro_batch_size
    return gcd(training.batch_size, AUTO_MICRO_BATCH)


def _precision(training: TrainingSpec, device: Device) -> Precision:
    asked = training.precision
    if device.kind == "CPU":
        if asked in ("BF16", "FP16"):
            raise BadSpec(
                f"training.precision {asked} needs a GPU; use FP32 or Auto when "
                "compute.accelerator is CPU"
            )
        return "FP32"
    if asked == "FP32":
        raise BadSpec("training.precision FP32 works on a CPU only; use Auto, BF16 or FP16")
    if asked == "BF16" and not device.bf16:
        raise BadSpec(
            f"training.precision BF16 is not available on {device.name}; use Auto or FP16"
        )
    if asked == "Auto":
        return "BF16" if device.bf16 else "FP16"
    return asked


def _optimizer(training: TrainingSpec, device: Device) -> Optimizer:
    if training.optimizer == "AdamW8bit" and device.kind == "CPU":
        raise BadSpec(
            "training.optimizer AdamW8bit needs a GPU; use AdamW or Auto when "
            "compute.accelerator is CPU"
        )
    if training.optimizer == "Auto":
        return "AdamW8bit" if device.kind == "GPU" else "AdamW"
    return training.optimizer
