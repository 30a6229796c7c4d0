"""Greedy answers of the base model and of the adapter, with plain transformers and PEFT.

No Unsloth here: whoever downloads the adapter must get the same answers without it.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MAX_NEW_TOKENS = 80


@dataclass(frozen=True, slots=True)
class Answer:
    """One greedy answer."""

    prompt: str
    text: str
    tokens: int
    """Tokens of the answer without the end mark; 80 means that it was cut."""


def mean_length(answers: Sequence[Answer]) -> float:
    """Mean answer length in tokens."""
    return sum(answer.tokens for answer in answers) / len(answers)


def answer_with_and_without(
    base: Path, adapter: Path, prompts: Sequence[str]
) -> tuple[tuple[Answer, ...], tuple[Answer, ...]]:
    """Answers of the base model and of the same model with the adapter, float32 on the CPU.

    All prompts go through the model as one batch, padded on the left.
    """
    import torch
    import transformers
    from peft import PeftModel

    library: Any = transformers  # typed in part only
    tokenizer = library.AutoTokenizer.from_pretrained(
        base, local_files_only=True, padding_side="left"
    )
    model = library.AutoModelForCausalLM.from_pretrained(
        base, local_files_only=True, dtype=torch.float32
    )
    before = greedy(model.eval(), tokenizer, prompts)
    adapted = PeftModel.from_pretrained(model, str(adapter))
    after = greedy(adapted.eval(), tokenizer, prompts)
    return before, after


def quieten() -> None:
    """Keep the libraries' bars and notes out of a report that a person reads."""
    logging.getLogger("torch.utils._pytree").setLevel(logging.ERROR)
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]


def greedy(model: Any, tokenizer: Any, prompts: Sequence[str]) -> tuple[Answer, ...]:
    """Greedy answers to the prompts, cut at 80 tokens."""
    import torch

    chats = [[{"role": "user", "content": prompt}] for prompt in prompts]
    batch = tokenizer.apply_chat_template(
        chats, add_generation_prompt=True, padding=True, return_dict=True, return_tensors="pt"
    )
    with torch.inference_mode():
        made = model.generate(
            **batch,
            do_sample=False,
            max_new_tokens=MAX_NEW_TOKENS,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    new = made[:, batch["input_ids"].shape[1] :].tolist()
    return tuple(
        to_answer(prompt, tokens, tokenizer) for prompt, tokens in zip(prompts, new, strict=True)
    )


def to_answer(prompt: str, tokens: list[int], tokenizer: Any) -> Answer:
    """Cut one row of generated tokens at its end mark."""
    end = tokens.index(tokenizer.eos_token_id) if tokenizer.eos_token_id in tokens else len(tokens)
    text = tokenizer.decode(tokens[:end], skip_special_tokens=True).strip()
    return Answer(prompt=prompt, text=text, tokens=end)
