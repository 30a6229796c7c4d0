"""What vLLM asks of an adapter's folder, said again without vLLM.

From its source as of 2026: `lora/peft_helper.py` (what the configuration must hold and must not
ask for), `lora/lora_model.py` and `lora/utils.py` (names of tensors), `config/lora.py` (ranks).
"""

import json
from pathlib import Path
from typing import Any

from safetensors import safe_open

LARGEST_RANK = 512
PREFIX = "base_model.model."


def vllm_problems(folder: Path, linear: set[str]) -> list[str]:
    """Why vLLM would refuse or misread the adapter; empty when it would load.

    Args:
        folder: the adapter's.
        linear: last parts of the names of the model's linear layers, which vLLM adapts.
    """
    config = json.loads((folder / "adapter_config.json").read_text())
    problems = [f"config lacks {name}" for name in _REQUIRED if name not in config]
    problems += [
        f"config has {name} = {config[name]!r}"
        for name, harmless in _UNSUPPORTED.items()
        if config.get(name) not in harmless
    ]
    if not 1 <= config["r"] <= LARGEST_RANK:
        problems.append(f"rank {config['r']}")
    shapes: dict[str, dict[str, list[int]]] = {}
    with safe_open(str(folder / "adapter_model.safetensors"), framework="np") as weights:
        for name in weights.keys():  # noqa: SIM118 - the file is no mapping
            module, _, side = name.removesuffix(".weight").rpartition(".")
            if not (name.startswith(PREFIX) and name.endswith(".weight")) or side not in _SIDES:
                problems.append(f"tensor {name}")
                continue
            if module.rpartition(".")[2] not in linear & set(config["target_modules"]):
                problems.append(f"module {module}")
            shapes.setdefault(module, {})[side] = weights.get_slice(name).get_shape()
    for module, found in shapes.items():
        if found.keys() != set(_SIDES):
            problems.append(f"{module} has {sorted(found)} alone")
        elif (found["lora_A"][0], found["lora_B"][1]) != (config["r"], config["r"]):
            problems.append(f"{module} is of another rank: {found}")
    return problems if shapes else [*problems, "no tensors"]


_REQUIRED = ("r", "lora_alpha", "target_modules")
_SIDES = ("lora_A", "lora_B")
_UNSUPPORTED: dict[str, tuple[Any, ...]] = {
    "bias": ("none", None),
    "modules_to_save": ([], None),
    "use_dora": (False, None),
    "rank_pattern": ({}, None),
    "alpha_pattern": ({}, None),
    "layer_replication": ([], None),
    "trainable_token_indices": ([], None),
}
"""What it refuses, or does not read and would therefore compute wrongly."""
