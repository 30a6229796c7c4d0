"""A prompt alone, in the tokens in which it stands before an answer in training."""

from typing import Any

from preftrain_trainer.data.pairs import Text


def prompt_ids(tokenizer: Any, prompt: Text) -> list[int]:
    """Token ids of the prompt, up to where the answer begins.

    With a chat template a plain prompt is one turn of the user, and the start of the assistant's
    turn belongs to the prompt.
    """
    if not tokenizer.chat_template:
        plain: list[int] = tokenizer([prompt])["input_ids"][0]
        return plain
    turns = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)
    ids: list[int] = tokenizer.apply_chat_template(
        [turns], add_generation_prompt=True, tokenize=True, return_dict=True
    )["input_ids"][0]
    return ids
