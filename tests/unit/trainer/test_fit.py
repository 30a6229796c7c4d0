"""How a run is laid out on its device."""

from typing import Any

import pytest

from preftrain_trainer.errors import BadSpec
from preftrain_trainer.fit.device import Device
from preftrain_trainer.fit.layout import fit, refuse_impossible, with_examples
from support.specs import resolved_spec

CPU = Device("CPU", "test", bf16=False)
H200 = Device("GPU", "NVIDIA H200", bf16=True, memory_bytes=1 << 37)
T4 = Device("GPU", "Tesla T4", bf16=False, memory_bytes=1 << 34)


@pytest.mark.parametrize(
    ("training", "micro", "accumulation"),
    [
        ({}, 2, 4),
        ({"batchSize": 5}, 1, 5),
        ({"batchSize": 2}, 2, 1),
        ({"batchSize": 1}, 1, 1),
        ({"batchSize": 12, "microBatchSize": 6}, 6, 2),
    ],
)
def test_a_batch_is_cut_into_equal_micro_batches(
    training: dict[str, Any], micro: int, accumulation: int
) -> None:
    """Auto takes two pairs at once where the batch is even, and what is asked for is kept."""
    layout = fit(resolved_spec(training=training), 100, CPU)
    assert (layout.micro_batch_size, layout.accumulation) == (micro, accumulation)
    assert layout.resolved()["microBatchSize"] == str(micro)


@pytest.mark.parametrize(
    ("training", "pairs", "steps", "warmup"),
    [
        ({"epochs": 1.0}, 80, 10, 1),
        ({"epochs": 1.0}, 81, 11, 1),
        ({"epochs": 0.1}, 80, 1, 0),
        ({"epochs": 3.0, "warmupRatio": 0.5}, 80, 30, 15),
        ({"maxSteps": 7}, 1000, 7, 0),
        ({"maxSteps": 10, "warmupRatio": 0.3}, 5, 10, 3),
        ({"epochs": 1.0}, 3, 1, 0),
    ],
)
def test_steps_follow_from_epochs_or_are_given(
    training: dict[str, Any], pairs: int, steps: int, warmup: int
) -> None:
    """An unfinished batch counts as a step; warm-up is rounded down."""
    layout = fit(resolved_spec(training=training), pairs, CPU)
    assert (layout.total_steps, layout.warmup_steps) == (steps, warmup)


def test_pairs_that_fall_away_make_a_run_shorter() -> None:
    """The number of steps follows the pairs that are really trained on."""
    spec = resolved_spec()
    layout = fit(spec, 80, CPU)
    assert spec.training is not None
    assert with_examples(layout, spec.training, 72).total_steps == 9


@pytest.mark.parametrize(
    ("device", "training", "precision", "optimizer"),
    [
        (CPU, {}, "FP32", "AdamW"),
        (CPU, {"precision": "FP32", "optimizer": "AdamW"}, "FP32", "AdamW"),
        (H200, {}, "BF16", "AdamW8bit"),
        (H200, {"precision": "FP16", "optimizer": "AdamW"}, "FP16", "AdamW"),
        (T4, {}, "FP16", "AdamW8bit"),
    ],
)
def test_auto_becomes_what_the_device_does_best(
    device: Device, training: dict[str, Any], precision: str, optimizer: str
) -> None:
    """Precision and optimizer follow the device unless they are given."""
    layout = fit(resolved_spec(training=training), 80, device)
    assert (layout.precision, layout.optimizer) == (precision, optimizer)


@pytest.mark.parametrize(
    ("device", "members", "field"),
    [
        (CPU, {"model": {"quantization": "NF4"}}, "model.quantization"),
        (CPU, {"training": {"precision": "BF16"}}, "training.precision"),
        (CPU, {"training": {"precision": "FP16"}}, "training.precision"),
        (CPU, {"training": {"optimizer": "AdamW8bit"}}, "training.optimizer"),
        (H200, {"training": {"precision": "FP32"}}, "training.precision"),
        (T4, {"training": {"precision": "BF16"}}, "training.precision"),
    ],
)
def test_what_a_device_cannot_do_is_refused_by_name(
    device: Device, members: dict[str, Any], field: str
) -> None:
    """Nothing is replaced in silence; the sentence names the field."""
    with pytest.raises(BadSpec, match=f"^{field}"):
        fit(resolved_spec(**members), 80, device)


def test_a_gpu_that_is_not_known_yet_is_not_judged() -> None:
    """Precisions depend on it; a CPU's are known."""
    spec = {"training": {"precision": "BF16"}}
    refuse_impossible(resolved_spec(compute={"accelerator": "GPU"}, **spec))
    refuse_impossible(resolved_spec())
