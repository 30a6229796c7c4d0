"""Greedy answers of the model, one prompt at a time.

To be used when training is over: the libraries switch gradient checkpointing off in order to
generate.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from preftrain_trainer.fit.layout import Fit
from preftrain_trainer.model.likelihood import autocast, evaluating
from preftrain_trainer.model.loading import LoadedModel


@dataclass(frozen=True, slots=True)
class Generated:
    """Tokens of one greedy answer, without the end mark."""

    ids: tuple[int, ...]
    ended: bool
    """Whether the model itself ended the answer."""


def greedy(
    model: LoadedModel,
    prompt: Sequence[int],
    layout: Fit,
    *,
    longest: int,
    go_on: Callable[[], bool],
) -> Generated:
    """The likeliest next token, again and again, after `prompt`.

    Alone in its batch, so that no padding is needed: what libraries do with padding on the left
    differs.

    Args:
        model: with its adapter on or off.
        prompt: token ids, as the prompt is rendered in training.
        layout: device and precision.
        longest: tokens of the answer at most.
        go_on: asked before every token; False ends the answer there. It may raise.
    """
    import torch

    network, tokenizer = model.network, model.tokenizer
    ids = torch.tensor([list(prompt)], device=network.device)
    padding_side = tokenizer.padding_side
    try:
        with evaluating(network), torch.no_grad(), autocast(layout):
            made = network.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                do_sample=False,
                num_beams=1,
                max_new_tokens=longest,
                use_cache=True,
                pad_token_id=tokenizer.pad_token_id,
                eos_token_id=sorted(model.end_marks),
                stopping_criteria=[_until(go_on)],
            )
    finally:
        # Unsloth turns it to the left for generation and leaves it there.
        tokenizer.padding_side = padding_side
    answer = made[0, ids.shape[1] :].tolist()
    end = next((at for at, token in enumerate(answer) if token in model.end_marks), None)
    return Generated(tuple(answer[:end]), end is not None)


def _until(go_on: Callable[[], bool]) -> Callable[..., Any]:
    import torch

    def ended(input_ids: Any, _scores: Any, **_: Any) -> Any:
        return torch.full((input_ids.shape[0],), not go_on(), device=input_ids.device)

    return ended
