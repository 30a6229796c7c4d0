"""Plain TRL's side of the parity test, and the same in 64 bits from plain logits.

Run as `python -m support.parity_trl FOLDER` on what `parity_ours` left there, in a process
without Unsloth; prints JSON. TRL's kernel runs in Triton's interpreter.
"""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from preftrain_api.resolve import TARGET_MODULES
from support.parity_cases import BATCH, CASES
from support.specs import resolved_spec

Fed = dict[str, Any]


def main() -> None:
    """Loss and margin of every case and step, and the log-probabilities of every answer."""
    os.environ |= {
        "TRITON_INTERPRET": "1",
        "TRL_EXPERIMENTAL_SILENCE": "1",
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "TQDM_DISABLE": "1",
    }
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    folder = Path(sys.argv[1])
    exact = ExactModel(folder / "model")
    references: dict[str, Any] = {}
    answers.write(json.dumps({name: _case(folder, name, exact, references) for name in CASES}))
    answers.close()


def _case(
    folder: Path, name: str, exact: "ExactModel", references: dict[str, Any]
) -> list[dict[str, Any]]:
    import torch

    left = torch.load(folder / f"{name}.pt", weights_only=True)
    trainer = _trainer(folder, name)
    steps = []
    for fed, adapter in zip(left["fed"], left["adapters"], strict=True):
        _load(trainer.model, adapter)
        exact.load(adapter)
        loss, margin = _theirs(trainer, fed, references)
        steps.append({"loss": loss, "margin": margin, "answers": [exact.read(x) for x in fed]})
    return steps


def _trainer(folder: Path, name: str) -> Any:
    """TRL's own trainer as its documentation shows it, with this case's settings."""
    from datasets import Dataset

    from preftrain_trainer.methods.labels import weighted
    from preftrain_trainer.methods.table import method_of

    transformers: Any = import_module("transformers")
    asked = resolved_spec(method=CASES[name]).method
    method = method_of(asked)
    settings = method.arguments(weighted(asked, 1, 1) if method.form == "Answers" else asked, None)
    config = method.config_class()(
        output_dir=str(folder / "trl"),
        use_cpu=True,
        bf16=False,
        per_device_train_batch_size=BATCH,
        gradient_checkpointing=False,
        report_to="none",
        max_length=128,
        **settings,
    )
    return method.trainer_class()(
        model=transformers.AutoModelForCausalLM.from_pretrained(folder / "model"),
        args=config,
        train_dataset=Dataset.from_list([{"prompt": "a", "chosen": "b", "rejected": "c"}] * BATCH),
        processing_class=transformers.AutoTokenizer.from_pretrained(folder / "model"),
        peft_config=_lora(),
    )


def _theirs(trainer: Any, fed: Sequence[Fed], references: dict[str, Any]) -> tuple[float, float]:
    """Loss and margin of TRL's own code on its own batch.

    The cases of DPO see the same examples, and the interpreter is slow, so TRL computes the
    reference of each batch once, by its own method and read by its own loss.
    """
    import torch

    inputs = trainer.data_collator([dict(example) for example in fed])
    trainer.model.train()
    with torch.no_grad():
        if "chosen_ids" in fed[0]:
            key = f"{trainer.ld_alpha} {fed}"
            if key not in references:
                references[key] = trainer.compute_ref_log_probs(trainer.model, inputs)
            inputs["ref_chosen_logps"], inputs["ref_rejected_logps"] = references[key]
            trainer.precompute_ref_logps = True
        loss = float(trainer.compute_loss(trainer.model, inputs))
    collected = trainer._stored_metrics if "chosen_labels" in fed[0] else trainer._metrics
    return loss, float(collected["train"]["rewards/margins"][-1])


def _lora() -> Any:
    peft: Any = import_module("peft")
    return peft.LoraConfig(
        r=16, lora_alpha=16, target_modules=list(TARGET_MODULES), task_type="CAUSAL_LM"
    )


def _load(model: Any, adapter: dict[str, Any]) -> None:
    import torch

    with torch.no_grad():
        for name, value in model.named_parameters():
            if "lora_" in name:
                value.copy_(adapter[name])


class ExactModel:
    """The tiny model in 64 bits: log-probabilities of single answers from plain logits."""

    def __init__(self, folder: Path) -> None:
        transformers: Any = import_module("transformers")
        peft: Any = import_module("peft")
        base = transformers.AutoModelForCausalLM.from_pretrained(folder)
        self._model = peft.get_peft_model(base, _lora()).double()
        self._model.eval()

    def load(self, adapter: dict[str, Any]) -> None:
        """Put an adapter in."""
        _load(self._model, adapter)

    def read(self, fed: Fed) -> dict[str, Any]:
        """Policy and reference of each answer of an example, token by token."""
        return {name: self._both(prompt, answer) for name, prompt, answer in _answers(fed)} | (
            {"label": fed["label"]} if "label" in fed else {}
        )

    def _both(self, prompt: list[int], answer: list[int]) -> dict[str, Any]:
        policy = self._tokens(prompt, answer)
        with self._model.disable_adapter():
            reference = self._tokens(prompt, answer)
        start = len(prompt) - 1
        return {
            "prompt": policy[:start],
            "policy": policy[start:],
            "reference": reference[start:],
        }

    def _tokens(self, prompt: list[int], answer: list[int]) -> list[float]:
        import torch

        ids = torch.tensor([[*prompt, *answer]])
        with torch.no_grad():
            logits = self._model(input_ids=ids).logits[0, :-1]
        scores = torch.log_softmax(logits, dim=-1).gather(1, ids[0, 1:, None])[:, 0]
        return list(scores.tolist())


def _answers(fed: Fed) -> Iterator[tuple[str, list[int], list[int]]]:
    if "completion_ids" in fed:
        yield "answer", fed["prompt_ids"], fed["completion_ids"]
        yield "mismatched", fed["prompt_ids"], fed["KL_completion_ids"]
    elif "chosen_ids" in fed:
        yield "chosen", fed["prompt_ids"], fed["chosen_ids"]
        yield "rejected", fed["prompt_ids"], fed["rejected_ids"]
    else:
        for name in ("chosen", "rejected"):
            ids, labels = fed[f"{name}_input_ids"], fed[f"{name}_labels"]
            start = sum(label == -100 for label in labels)
            yield name, ids[:start], ids[start:]


if __name__ == "__main__":
    main()
