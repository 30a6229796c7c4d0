"""Greedy answers to many prompts at once, without relying on anybody's generation code.

Prompts are padded on the right, where causal attention does not see it, and the whole batch
goes through the model for every token. For a small model and short answers that costs as much
as a cache of keys and values, and it is the very forward pass of training.
"""

from collections.abc import Sequence
from typing import Any

from preftrain_trainer.fit.layout import Fit
from preftrain_trainer.model.likelihood import autocast, evaluating
from preftrain_trainer.model.loading import LoadedModel


def greedy_answers(
    model: LoadedModel, prompts: Sequence[Sequence[int]], layout: Fit, longest: int
) -> list[list[int]]:
    """The likeliest next token, up to `longest` times or until an end mark, which is left out."""
    import torch

    network = model.network
    lengths = torch.tensor([len(prompt) for prompt in prompts], device=network.device)
    width = int(lengths.max()) + longest
    ids = torch.full((len(prompts), width), int(model.tokenizer.pad_token_id))
    for row, prompt in enumerate(prompts):
        ids[row, : len(prompt)] = torch.tensor(list(prompt))
    ids = ids.to(network.device)
    rows = torch.arange(len(prompts), device=network.device)
    marks = torch.tensor(sorted(model.end_marks), device=network.device)
    ended = torch.zeros(len(prompts), dtype=torch.bool, device=network.device)
    made: list[Any] = []
    with evaluating(network), torch.no_grad(), autocast(layout):
        for turn in range(longest):
            at = lengths + turn
            seen = int(at.max())
            mask = (torch.arange(seen, device=network.device) < at[:, None]).long()
            logits = network(input_ids=ids[:, :seen], attention_mask=mask, use_cache=False).logits[
                rows, at - 1
            ]
            chosen = logits.float().argmax(dim=-1)
            ids[rows, at] = chosen
            made.append(chosen)
            ended |= torch.isin(chosen, marks)
            if bool(ended.all()):
                break
    return [_until_end(row, model.end_marks) for row in torch.stack(made, dim=1).tolist()]


def _until_end(answer: list[int], marks: frozenset[int]) -> list[int]:
    end = next((at for at, token in enumerate(answer) if token in marks), len(answer))
    return answer[:end]
