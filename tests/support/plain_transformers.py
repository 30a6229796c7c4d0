"""Logits of merged weights, loaded the way their users do: transformers alone.

Run as `python -m support.plain_transformers FOLDER IDS`; prints JSON.
"""

import json
import sys
from typing import Any


def main() -> None:
    """Load the folder as a model of its own, and print the logits for the given token ids."""
    import torch
    import transformers

    library: Any = transformers  # typed in part only

    folder, ids = sys.argv[1], json.loads(sys.argv[2])
    stored = library.AutoModelForCausalLM.from_pretrained(folder, dtype="auto")
    kept = str(stored.dtype)
    model = stored.float().eval()
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([ids])).logits[0].tolist()
    answer = {
        "logits": logits,
        "dtype": kept,
        "quantized": hasattr(stored.config, "quantization_config"),
        "template": library.AutoTokenizer.from_pretrained(folder).chat_template,
        "libraries": sorted({"unsloth", "peft", "bitsandbytes"} & sys.modules.keys()),
    }
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
