"""Builds the training library's trainer and checks what it made of our orders.

Expects the model from `model.loading`, whose import of Unsloth has replaced parts of TRL by then.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from preftrain_api.spec import PreferenceTrainingJobSpec, TrainingSpec
from preftrain_trainer.data.pairs import Example
from preftrain_trainer.errors import InternalError
from preftrain_trainer.fit.layout import Fit
from preftrain_trainer.methods.table import method_of
from preftrain_trainer.model.loading import ADAPTER, LoadedModel, require_trainable
from preftrain_trainer.training.arguments import arguments, configure, require_unchanged
from preftrain_trainer.training.feed import Material
from preftrain_trainer.training.sample import require_same_tokens, sample_rows

REFERENCE: Final = "ref"
"""Adapter that TRL adds to a model that already has one, as a copy to compare with."""


def build_trainer(
    model: LoadedModel,
    examples: Sequence[Example],
    material: Material,
    spec: PreferenceTrainingJobSpec,
    layout: Fit,
    work: Path,
) -> Any:
    """The trainer of the run's method, with every argument read back and without TRL's copy of
    the adapter.

    Raises:
        InternalError: the library does not do what it was told.
    """
    from datasets import Dataset, disable_progress_bars

    disable_progress_bars()
    method = method_of(spec.method)
    wanted = arguments(spec, layout, work / "library")
    config = configure(method.config_class(), wanted)
    trainer = method.trainer_class()(
        model=model.network,
        args=config,
        train_dataset=Dataset.from_list(sample_rows(examples, material.rendering, method.form)),
        processing_class=model.tokenizer,
    )
    require_unchanged(trainer.args, wanted)
    if material.rendering == "ChatTemplate":
        require_same_tokens(spec.method.type, list(trainer.train_dataset), material.examples)
    _remove_reference(model)
    if require_trainable(model.network) != model.trainable:
        raise InternalError("building the trainer changed which parameters are trained")
    if (spec.training or TrainingSpec()).precompute_reference:
        _expect_references(trainer)
    _remove_printer(trainer)
    return trainer


def _expect_references(trainer: Any) -> None:
    """Let the trainer take the reference's values from the examples.

    Told in its configuration it would compute them for the sample, after it had hashed all
    weights of the model.
    """
    if trainer.precompute_ref_logps is not False:
        raise InternalError("the trainer reads precomputed reference values in another way")
    trainer.precompute_ref_logps = True


def _remove_reference(model: LoadedModel) -> None:
    """Drop TRL's copy of the untrained adapter.

    Without it the reference is the model with its adapter off, which for a fresh adapter is
    the same model. With it a resumed run would load the copy in place of the trained adapter,
    and every checkpoint would hold both.
    """
    network = model.network
    if REFERENCE in network.peft_config:
        network.delete_adapter(REFERENCE)
    if set(network.peft_config) != {ADAPTER} or network.active_adapters != [ADAPTER]:
        raise InternalError(
            f"adapters {sorted(network.peft_config)}, active {network.active_adapters}; only "
            f"{ADAPTER} must be there"
        )


def _remove_printer(trainer: Any) -> None:
    from transformers import PrinterCallback

    trainer.remove_callback(PrinterCallback)
