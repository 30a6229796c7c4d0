"""Arguments of the training library are set by us and read back."""

from dataclasses import dataclass, field, make_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from preftrain_trainer.errors import InternalError
from preftrain_trainer.fit.device import Device
from preftrain_trainer.fit.layout import fit
from preftrain_trainer.training.arguments import arguments, configure, require_unchanged
from support.specs import resolved_spec


def wanted_for(**members: Any) -> dict[str, Any]:
    spec = resolved_spec(**members)
    layout = fit(spec, 80, Device("CPU", "test", bf16=False))
    return arguments(spec, layout, Path("/scratch"))


def config_class(names: dict[str, Any]) -> Any:
    fields = [(name, Any, field(default=None)) for name in names]
    return make_dataclass("Config", fields)


def test_the_spec_reaches_the_library() -> None:
    """What the user wrote is what is asked of the trainer."""
    wanted = wanted_for(
        training={"learningRate": 3e-6, "scheduler": "Linear", "batchSize": 6, "maxSteps": 9},
        method={
            "type": "DPO",
            "dpo": {"beta": 0.3, "losses": [{"type": "IPO", "weight": 0.5}, {"type": "SFT"}]},
        },
    )
    assert wanted["learning_rate"] == 3e-6
    assert wanted["lr_scheduler_type"] == "linear"
    assert (wanted["per_device_train_batch_size"], wanted["gradient_accumulation_steps"]) == (2, 3)
    assert wanted["max_steps"] == 9
    assert wanted["beta"] == 0.3
    assert wanted["loss_type"] == ["ipo", "sft"]
    assert wanted["loss_weights"] == [0.5, 1.0]


@pytest.mark.parametrize(("lora", "disabled"), [({}, True), ({"dropout": 0.1}, False)])
def test_dropout_is_only_switched_off_when_there_is_none(
    lora: dict[str, float], disabled: bool
) -> None:
    """TRL's default would silently undo lora.dropout."""
    assert wanted_for(lora=lora)["disable_dropout"] is disabled


def test_an_argument_that_the_library_does_not_know_is_noticed() -> None:
    """Unsloth would drop it with a print, and train with its own default."""
    wanted = wanted_for()
    known = config_class(wanted)
    with pytest.raises(InternalError, match="no argument learnig_rate"):
        configure(known, wanted | {"learnig_rate": 1e-4})


def test_an_argument_that_is_not_set_is_noticed() -> None:
    """A new version's new field would otherwise take whatever default it brings."""
    wanted = wanted_for()
    newer = config_class(wanted | {"brand_new": None})
    with pytest.raises(InternalError, match="not set: brand_new"):
        configure(newer, wanted)


def test_an_argument_that_the_library_changes_is_noticed() -> None:
    """All changed fields are named with both values."""

    @dataclass
    class Meddling:
        learning_rate: float
        seed: int

        def __post_init__(self) -> None:
            self.learning_rate, self.seed = 5e-5, 3407

    with pytest.raises(InternalError, match=r"learning_rate from 5e-06 to 5e-05; seed from 42"):
        configure(Meddling, {"learning_rate": 5e-6, "seed": 42})


def test_a_change_after_construction_is_noticed() -> None:
    """Trainers change their configuration, too."""
    wanted = {"max_length": 2048}
    config = config_class(wanted)(max_length=2048)
    config.max_length = 1024
    with pytest.raises(InternalError, match="max_length from 2048 to 1024"):
        require_unchanged(config, wanted)


def test_a_configuration_that_is_as_asked_is_taken() -> None:
    """Enums count as their values, and what cannot be read back is not compared."""

    class Kind(Enum):
        LINEAR = "linear"

    @dataclass
    class Config:
        lr_scheduler_type: Any
        gradient_checkpointing_kwargs: Any
        accelerator_config: Any
        unsloth_tiled_mlp: bool = False

        def __post_init__(self) -> None:
            self.lr_scheduler_type = Kind(self.lr_scheduler_type)
            self.accelerator_config = object()
            self.gradient_checkpointing_kwargs = {"use_reentrant": True}

    wanted = {
        "lr_scheduler_type": "linear",
        "gradient_checkpointing_kwargs": None,
        "accelerator_config": None,
    }
    assert configure(Config, wanted).lr_scheduler_type is Kind.LINEAR
