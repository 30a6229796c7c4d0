"""Teaches the tiny model to answer, so that there is something a bad run can destroy.

Plain torch and transformers, in the process of `trainer_worker`; takes a few seconds.
"""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from preftrain_trainer.data.pairs import PreferencePair

STEPS = 150
BATCH = 16
RATE = 5e-3


def teach(folder: Path, pairs: Sequence[PreferencePair]) -> None:
    """Train the model in `folder` in place, fully, on both answers of the pairs."""
    import torch

    transformers: Any = import_module("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)
    texts = [
        tokenizer.apply_chat_template(
            [
                {"role": "user", "content": pair.prompt},
                {"role": "assistant", "content": answer},
            ],
            tokenize=False,
        )
        for pair in pairs
        for answer in (pair.chosen, pair.rejected)
    ]
    torch.manual_seed(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE)
    model.train()
    for _ in range(STEPS):
        batch = [texts[index] for index in torch.randint(len(texts), (BATCH,)).tolist()]
        inputs = tokenizer(batch, return_tensors="pt", padding=True)
        logits = model(**inputs, use_cache=False).logits[:, :-1]
        wanted = inputs["input_ids"][:, 1:].masked_fill(inputs["attention_mask"][:, 1:] == 0, -100)
        loss: Any = torch.nn.functional.cross_entropy(logits.flatten(0, 1), wanted.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"taught to a loss of {float(loss.detach()):.3f}")  # noqa: T201  # into the worker's log
    model.save_pretrained(folder)
