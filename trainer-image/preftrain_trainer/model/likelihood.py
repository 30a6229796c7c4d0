"""Log-probabilities of answers under the policy and under its reference.

The reference is the same model with the adapter switched off.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from preftrain_trainer.data.tokens import TokenizedPair
from preftrain_trainer.errors import InternalError
from preftrain_trainer.fit.layout import Fit


@dataclass(frozen=True, slots=True)
class PairLikelihood:
    """Log-probabilities of the two answers of a pair, in nats, and their lengths in tokens."""

    chosen: float
    rejected: float
    chosen_tokens: int
    rejected_tokens: int


def pair_likelihoods(
    model: Any, collate: Any, pairs: Sequence[TokenizedPair], layout: Fit
) -> list[PairLikelihood]:
    """Likelihoods under the model as it is now, without gradients.

    Args:
        model: the adapted model, with the scoring head that TRL's trainer has added.
        collate: TRL's collator, so that cutting and padding are those of training.
        pairs: at most one batch.
        layout: device and precision.
    """
    import torch

    batch = {
        name: tensor.to(model.device)
        for name, tensor in collate([pair.features() for pair in pairs]).items()
    }
    mask = batch.pop("completion_mask")
    labels = batch["input_ids"].masked_fill(mask == 0, -100)
    with torch.no_grad(), autocast(layout):
        scores = model(**batch, labels=labels, use_cache=False, fused_lm_head=True).log_probs
    # The first position has no predecessor that could predict it.
    width = mask.shape[1] - 1
    sums = scores[:, -width:].double().sum(dim=1).tolist()
    counts = mask[:, 1:].sum(dim=1).tolist()
    half = len(pairs)
    return [
        PairLikelihood(sums[i], sums[half + i], int(counts[i]), int(counts[half + i]))
        for i in range(half)
    ]


def chosen_loss(model: Any, pairs: Sequence[TokenizedPair], layout: Fit, max_length: int) -> float:
    """What a likelihood term must show on the first batch: the mean over micro-batches of the
    mean negative log-likelihood of a chosen token, from plain logits.

    Shares no code with the loss that it checks, and goes one answer at a time.
    """
    means = []
    for start in range(0, len(pairs), layout.micro_batch_size):
        total, tokens = 0.0, 0
        for pair in pairs[start : start + layout.micro_batch_size]:
            nll, count = _answer_nll(model, pair.prompt, pair.chosen, layout, max_length)
            total, tokens = total + nll, tokens + count
        means.append(total / tokens)
    return sum(means) / len(means)


def _answer_nll(
    model: Any, prompt: Sequence[int], answer: Sequence[int], layout: Fit, max_length: int
) -> tuple[float, int]:
    import torch

    ids = torch.tensor([[*prompt, *answer][:max_length]], device=model.device)
    start = len(prompt)
    with torch.no_grad(), autocast(layout):
        logits = model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False).logits
    if logits.shape[1] != ids.shape[1]:
        raise InternalError(
            f"the model returned logits of shape {tuple(logits.shape)} for {ids.shape[1]} tokens"
        )
    wanted = logits[0, start - 1 : -1].float()
    nll = torch.nn.functional.cross_entropy(wanted, ids[0, start:], reduction="sum")
    return float(nll), ids.shape[1] - start


def autocast(layout: Fit) -> AbstractContextManager[Any]:
    """The mixed precision in which the trainer computes, for forwards outside of it."""
    import torch

    if layout.device.kind == "CPU":
        return nullcontext()
    dtype = torch.bfloat16 if layout.precision == "BF16" else torch.float16
    return torch.autocast("cuda", dtype=dtype)


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """Switch dropout off while the block runs, and back to what it was."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)
