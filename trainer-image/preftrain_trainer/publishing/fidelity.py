"""Whether merged weights are the adapter: the same text, the same logits, within a tolerance."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from preftrain_api.manifest import MergedWeights
from preftrain_api.report import GateVerdict
from preftrain_trainer.data.pairs import PreferencePair, PreparedData, Text
from preftrain_trainer.data.prompts import prompt_ids
from preftrain_trainer.fit.layout import Fit, Precision
from preftrain_trainer.model.likelihood import autocast, evaluating
from preftrain_trainer.model.loading import LoadedModel
from preftrain_trainer.places.model_source import FetchedModel
from preftrain_trainer.publishing.merging import MERGED_TYPE, write_merged
from preftrain_trainer.publishing.plain_model import Logits, logits_of

TOLERANCE: Final[dict[Precision, float]] = {"FP32": 0.1, "BF16": 0.25, "FP16": 0.25}
"""Allowed difference of a logit, in standard deviations of the logits. In 32 bits only the
rounding of the weights differs; a model that computes in 16 bits rounds every layer's output
as well (measured: docs/adr/0024)."""
SEQUENCES: Final = 4
TOKENS: Final = 64
"""How much text is compared: a wrong merge shows in the first token."""
_NO_NUMBER: Final = 1e9
"""Stands for a difference that JSON has no number for."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Of two sets of logits to a third, in standard deviations of the third."""

    tokens: int
    merged: float
    base: float


def merge(
    model: LoadedModel,
    source: FetchedModel,
    data: PreparedData,
    layout: Fit,
    *,
    folder: Path,
    work: Path,
    between: Callable[[], None],
) -> MergedWeights:
    """Write the merged model into the empty `folder` and hold it against the adapter.

    Args:
        model: base model with the trained adapter.
        source: where the base model came from.
        data: held-out examples, or those of training where none are.
        layout: device and precision of training.
        folder: takes the merged model.
        work: scratch folder.
        between: called now and then; may raise.

    Raises:
        InternalError: the model cannot be merged, or not be loaded afterwards.
    """
    between()
    retained = write_merged(model, folder, source, layout.precision, between=between)
    return check_merged(model, folder, data, layout, retained=retained, work=work)


def check_merged(
    model: LoadedModel,
    folder: Path,
    data: PreparedData,
    layout: Fit,
    *,
    retained: float,
    work: Path,
) -> MergedWeights:
    """Hold the merged model in `folder` against the adapter on text of the held-out examples.

    Args:
        model: base model with the trained adapter.
        folder: what `write_merged` wrote.
        data: held-out examples, or those of training where none are.
        layout: device and precision of training.
        retained: what `write_merged` returned.
        work: scratch folder.

    Raises:
        InternalError: plain transformers cannot load the folder.
    """
    sequences = _text(model.tokenizer, data)
    adapter = _logits(model, sequences, layout, nullcontext)
    base = _logits(model, sequences, layout, model.network.disable_adapter)
    difference = compare(adapter, base, logits_of(folder, sequences, work))
    return MergedWeights(
        dtype=MERGED_TYPE[layout.precision],
        tokens=difference.tokens,
        largest_difference=difference.merged,
        tolerance=TOLERANCE[layout.precision],
        largest_effect=difference.base,
        retained=retained,
    )


def verdict(merged: MergedWeights) -> GateVerdict:
    """The gate that merged weights have to pass."""
    return GateVerdict(
        metric="MergedLogitDifference",
        operator="AtMost",
        threshold=merged.tolerance,
        value=merged.largest_difference,
        passed=merged.largest_difference <= merged.tolerance,
    )


def compare(
    adapter: Sequence[Logits], base: Sequence[Logits], merged: Sequence[Logits]
) -> Difference:
    """Largest differences to the adapter's logits. Pure.

    A constant added to all logits of a position changes no probability, so each position's
    mean is taken off first. Logits that are no numbers count as as different as can be said.
    """
    ours, theirs, before = (
        np.concatenate([_centred(logits) for logits in each]) for each in (adapter, merged, base)
    )
    unit = float(ours.std())
    return Difference(
        tokens=len(ours),
        merged=_largest(theirs - ours) / unit,
        base=_largest(before - ours) / unit,
    )


def _centred(logits: Logits) -> Logits:
    centred: Logits = logits - logits.mean(axis=-1, keepdims=True)
    return centred


def _largest(difference: Logits) -> float:
    largest = float(np.abs(difference).max())
    return largest if np.isfinite(largest) else _NO_NUMBER


def _text(tokenizer: Any, data: PreparedData) -> list[list[int]]:
    examples = (data.held_out or data.train)[:SEQUENCES]
    sequences = []
    for example in examples:
        answer = example.chosen if isinstance(example, PreferencePair) else example.answer
        ids = tokenizer(_words(answer), add_special_tokens=False)["input_ids"]
        sequences.append([*prompt_ids(tokenizer, example.prompt), *ids][-TOKENS:])
    return sequences


def _words(text: Text) -> str:
    return text if isinstance(text, str) else "\n".join(turn["content"] for turn in text)


def _logits(
    model: LoadedModel,
    sequences: Sequence[Sequence[int]],
    layout: Fit,
    state: Callable[[], Any],
) -> list[Logits]:
    import torch

    found: list[Logits] = []
    with evaluating(model.network), torch.no_grad(), autocast(layout), state():
        for sequence in sequences:
            ids = torch.tensor([list(sequence)], device=model.network.device)
            logits = model.network(
                input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False
            ).logits
            found.append(logits[0].float().cpu().numpy())
    return found
