"""A language model of 0.2 M parameters, made on the spot: real architecture, random weights.

Written with numpy and the tokenizers library alone, so that making it needs no torch. Run as
`python -m support.tiny_model FOLDER` to have one for trying things out.
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer

HIDDEN, LAYERS, HEADS, INNER = 64, 2, 4, 128
POSITIONS = 512

SENTENCES = (
    "The capital of France is Paris.",
    "Please tell me what you think about short answers.",
    "I am not sure, but I believe that it depends on many different things.",
    "Well, to be honest, that is a very long story which begins a long time ago.",
    "Yes.",
    "No, thank you.",
    "What is the largest animal in the ocean? It is the blue whale.",
    "Write one word about the weather: rain, sun, wind, snow or fog.",
)

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
NO_END_MARK = CHATML.replace("<|im_end|>", "")
"""A template that forgets to end its turns."""
THINKING = CHATML.replace("assistant\n{% endif %}", "assistant\n<think>{% endif %}")
"""A template whose prompt is no beginning of prompt plus answer."""


def make_tiny_model(folder: Path, *, template: str | None = CHATML, seed: int = 0) -> Path:
    """Write a Qwen2 model and its tokenizer into `folder`, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = write_tokenizer(folder, SENTENCES, template=template)
    config = {
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "hidden_size": HIDDEN,
        "intermediate_size": INNER,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS,
        "max_position_embeddings": POSITIONS,
        "vocab_size": vocabulary,
        "tie_word_embeddings": True,
        "dtype": "float32",
        "eos_token_id": 1,
        "bos_token_id": 0,
        "pad_token_id": 2,
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    save_file(_weights(vocabulary, seed), folder / "model.safetensors", {"format": "pt"})
    return folder


def write_tokenizer(
    folder: Path,
    texts: Iterable[str],
    *,
    vocabulary: int = 400,
    positions: int = POSITIONS,
    template: str | None = CHATML,
) -> int:
    """Learn a byte-level BPE tokenizer from `texts`, write it, and return its size."""
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=["<|im_start|>", "<|im_end|>", "<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([*texts, "system\nuser\nassistant\n"], trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings: dict[str, object] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<|im_start|>",
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "model_max_length": positions,
        "clean_up_tokenization_spaces": False,
    }
    if template is not None:
        settings["chat_template"] = template
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2))
    return int(tokenizer.get_vocab_size())


def _weights(vocabulary: int, seed: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)

    def matrix(rows: int, columns: int) -> np.ndarray:
        return random.normal(0, 0.08, (rows, columns)).astype(np.float32)

    ones = np.ones(HIDDEN, np.float32)
    weights = {"model.embed_tokens.weight": matrix(vocabulary, HIDDEN), "model.norm.weight": ones}
    for layer in range(LAYERS):
        at = f"model.layers.{layer}."
        for name in ("q_proj", "k_proj", "v_proj"):
            weights[f"{at}self_attn.{name}.weight"] = matrix(HIDDEN, HIDDEN)
            weights[f"{at}self_attn.{name}.bias"] = np.zeros(HIDDEN, np.float32)
        weights[f"{at}self_attn.o_proj.weight"] = matrix(HIDDEN, HIDDEN)
        weights[f"{at}mlp.gate_proj.weight"] = matrix(INNER, HIDDEN)
        weights[f"{at}mlp.up_proj.weight"] = matrix(INNER, HIDDEN)
        weights[f"{at}mlp.down_proj.weight"] = matrix(HIDDEN, INNER)
        weights[f"{at}input_layernorm.weight"] = ones
        weights[f"{at}post_attention_layernorm.weight"] = ones
    return weights


if __name__ == "__main__":
    make_tiny_model(Path(sys.argv[1]))
