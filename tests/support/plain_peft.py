"""Logits of an exported adapter, loaded the way its users do: transformers and PEFT alone.

Run as `python -m support.plain_peft MODEL ADAPTER IDS`; prints JSON.
"""

import json
import sys


def main() -> None:
    """Load model and adapter, and print the logits for the given token ids."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    base, adapter, ids = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    adapted = PeftModel.from_pretrained(model, adapter).eval()
    template = AutoTokenizer.from_pretrained(adapter).chat_template
    with torch.no_grad():
        logits = adapted(input_ids=torch.tensor([ids])).logits[0].tolist()
        with adapted.disable_adapter():
            untouched = adapted(input_ids=torch.tensor([ids])).logits[0].tolist()
    answer = {
        "logits": logits,
        "base_logits": untouched,
        "template": template,
        "unsloth": "unsloth" in sys.modules,
    }
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
