"""Log-probabilities of answers from plain logits, without any code that computes losses."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from preftrain_trainer.data.pairs import PreferencePair
from preftrain_trainer.model.loading import LoadedModel


def likelihoods_by_hand(
    model: LoadedModel, pairs: Sequence[PreferencePair]
) -> list[dict[str, float]]:
    """Sums of log-probabilities from plain logits in 64 bits, a sequence at a time."""
    with model.network.disable_adapter():
        reference = [_pair_by_hand(model, pair) for pair in pairs]
    policy = [_pair_by_hand(model, pair) for pair in pairs]
    return [
        {
            "chosen": ours[0].answer,
            "rejected": ours[1].answer,
            "ref_chosen": theirs[0].answer,
            "ref_rejected": theirs[1].answer,
            "chosen_tokens": ours[0].answer_tokens,
            "rejected_tokens": ours[1].answer_tokens,
            "prompt": ours[0].prompt,
            "prompt_tokens": ours[0].prompt_tokens,
        }
        for ours, theirs in zip(policy, reference, strict=True)
    ]


@dataclass(frozen=True)
class _ByHand:
    answer: float
    answer_tokens: int
    prompt: float
    prompt_tokens: int


def _pair_by_hand(model: LoadedModel, pair: PreferencePair) -> tuple[_ByHand, _ByHand]:
    prompt = f"<|im_start|>user\n{pair.prompt}<|im_end|>\n<|im_start|>assistant\n"
    return (
        _answer_by_hand(model, prompt, f"{pair.chosen}<|im_end|>\n"),
        _answer_by_hand(model, prompt, f"{pair.rejected}<|im_end|>\n"),
    )


def _answer_by_hand(model: LoadedModel, prompt: str, answer: str) -> _ByHand:
    import torch

    encode: Callable[..., Any] = model.tokenizer
    start = len(encode(prompt, add_special_tokens=False)["input_ids"])
    ids = encode(prompt + answer, add_special_tokens=False)["input_ids"]
    model.network.eval()
    with torch.no_grad():
        logits = model.network(input_ids=torch.tensor([ids])).logits[0].double()
    table = torch.log_softmax(logits, dim=-1)
    scores = [float(table[at - 1, ids[at]]) for at in range(1, len(ids))]
    return _ByHand(sum(scores[start - 1 :]), len(ids) - start, sum(scores[: start - 1]), start - 1)
