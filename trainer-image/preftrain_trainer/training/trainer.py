"""Builds the training library's trainer and checks what it made of our orders.

Expects the model from `model.loading`, whose import of Unsloth has replaced parts of TRL by then.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from preftrain_api.spec import PreferenceTrainingJobSpec
from preftrain_trainer.data.pairs import PreferencePair
from preftrain_trainer.data.tokens import Rendering, Tokenized, TokenizedPair, as_conversation
from preftrain_trainer.errors import InternalError
from preftrain_trainer.fit.layout import Fit
from preftrain_trainer.methods.table import method_of
from preftrain_trainer.model.loading import ADAPTER, LoadedModel, require_trainable
from preftrain_trainer.training.arguments import arguments, configure, require_unchanged

REFERENCE: Final = "ref"
"""Adapter that TRL adds to a model that already has one, as a copy to compare with."""

_SAMPLE: Final = 8
"""Pairs that TRL tokenizes as well, to hold ours against."""


class OrderedPairs:
    """The training examples in the order in which they are seen, as a torch dataset."""

    def __init__(self, pairs: Sequence[TokenizedPair], order: Sequence[int]) -> None:
        self._pairs = pairs
        self._order = order

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, position: int) -> dict[str, list[int]]:
        return self._pairs[self._order[position]].features()


def build_trainer(
    model: LoadedModel,
    pairs: Sequence[PreferencePair],
    tokenized: Tokenized,
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
    wanted = arguments(spec, layout, method.arguments(spec.method), work / "library")
    config = configure(method.config_class(), wanted)
    sample = [_row(pair, tokenized.rendering) for pair in pairs[:_SAMPLE]]
    trainer = method.trainer_class()(
        model=model.network,
        args=config,
        train_dataset=Dataset.from_list(sample),
        processing_class=model.tokenizer,
    )
    require_unchanged(trainer.args, wanted)
    if tokenized.rendering == "ChatTemplate":
        _require_same_tokens(trainer.train_dataset, tokenized.pairs)
    _remove_reference(model)
    if require_trainable(model.network) != model.trainable:
        raise InternalError("building the trainer changed which parameters are trained")
    _remove_printer(trainer)
    return trainer


def _row(pair: PreferencePair, rendering: Rendering) -> dict[str, Any]:
    if rendering == "PlainText":
        return dict(pair.columns())
    prompt, chosen, rejected = as_conversation(pair)
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected}


def _require_same_tokens(theirs: Any, ours: Sequence[TokenizedPair]) -> None:
    """Whatever TRL tokenizes must be among what we train on, or the two disagree."""
    known = {(pair.prompt, pair.chosen, pair.rejected) for pair in ours[: 2 * _SAMPLE]}
    same = sum(
        (tuple(row["prompt_ids"]), tuple(row["chosen_ids"]), tuple(row["rejected_ids"])) in known
        for row in theirs
    )
    # Pairs that were left out here may still be among theirs.
    if same < min(len(theirs), len(ours)) / 2:
        raise InternalError(
            f"TRL tokenizes {len(theirs) - same} of {len(theirs)} pairs in another way"
        )


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
