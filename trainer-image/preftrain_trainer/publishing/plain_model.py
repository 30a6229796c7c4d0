"""Logits of a model folder, by plain transformers in a process of its own.

Run as `python -m preftrain_trainer.publishing.plain_model FOLDER IDS OUT`: IDS is a JSON file
with lists of token ids, OUT takes one array `[tokens, vocabulary]` a list. No Unsloth here, so
that what is loaded and computed is what users will have.

Weights stay in 16 bits and are widened one layer at a time, so that the memory of the weights
suffices and the result is that of 32-bit arithmetic.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from preftrain_trainer.errors import InternalError

Logits = npt.NDArray[np.float32]
"""Of one sequence: `[tokens, vocabulary]`."""


def logits_of(folder: Path, sequences: Sequence[Sequence[int]], work: Path) -> list[Logits]:
    """Logits of the model in `folder` for each sequence of token ids, computed on the CPU.

    Raises:
        InternalError: plain transformers cannot load the folder.
    """
    work.mkdir(parents=True, exist_ok=True)
    ids, out = work / "ids.json", work / "logits.npz"
    ids.write_text(json.dumps([list(sequence) for sequence in sequences]))
    done = subprocess.run(  # noqa: S603 - this program itself
        [sys.executable, "-m", __spec__.name, str(folder), str(ids), str(out)],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise InternalError(f"plain transformers cannot use the merged weights: {last[0][:400]}")
    with np.load(out) as arrays:
        return [arrays[f"arr_{at}"] for at in range(len(sequences))]


def main() -> None:
    """Load the model and write its logits."""
    import torch
    import transformers

    folder, ids, out = (Path(argument) for argument in sys.argv[1:])
    library: Any = transformers  # typed in part only
    model = library.AutoModelForCausalLM.from_pretrained(
        folder, local_files_only=True, dtype="auto", trust_remote_code=any(folder.glob("*.py"))
    )
    _compute_in_32_bits(model.eval())
    with torch.no_grad():
        logits = [
            model(input_ids=torch.tensor([sequence]), use_cache=False).logits[0].float().numpy()
            for sequence in json.loads(ids.read_text())
        ]
    np.savez(out, *logits)


def _compute_in_32_bits(model: Any) -> None:
    """Widen small parameters for good and those of linear layers while they are used."""
    import torch

    nn: Any = torch.nn
    for module in model.modules():
        if isinstance(module, nn.Linear):
            module.forward = _widened(module)
        elif isinstance(module, nn.Embedding):
            module.register_forward_hook(lambda _module, _inputs, output: output.float())
        else:
            for parameter in module.parameters(recurse=False):
                parameter.data = parameter.data.float()


def _widened(layer: Any) -> Any:
    import torch

    def forward(inputs: Any) -> Any:
        bias = None if layer.bias is None else layer.bias.float()
        return torch.nn.functional.linear(inputs.float(), layer.weight.float(), bias)

    return forward


if __name__ == "__main__":
    main()
