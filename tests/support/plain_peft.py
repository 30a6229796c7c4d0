"""Logits of an export, loaded the way its users do: transformers and PEFT alone.

Run as `python -m support.plain_peft MODEL ADAPTER MERGED IDS`; prints JSON.
"""

import json
import sys
from typing import Any


def main() -> None:
    """Load merged weights, then model and adapter, and print the logits for the token ids."""
    import torch
    import transformers

    library: Any = transformers  # typed in part only
    base, adapter, merged = sys.argv[1:4]
    ids = torch.tensor([json.loads(sys.argv[4])])
    stored = library.AutoModelForCausalLM.from_pretrained(merged, dtype="auto")
    answer: dict[str, Any] = {
        "merged_dtype": str(stored.dtype),
        "merged_config": sorted(stored.config.to_diff_dict()),
        "merged_template": library.AutoTokenizer.from_pretrained(merged).chat_template,
        "merged_libraries": sorted({"unsloth", "peft", "bitsandbytes"} & sys.modules.keys()),
    }
    with torch.no_grad():
        answer["merged_logits"] = stored.float().eval()(input_ids=ids).logits[0].tolist()

    from peft import PeftModel

    model = library.AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    adapted = PeftModel.from_pretrained(model, adapter).eval()
    answer["template"] = library.AutoTokenizer.from_pretrained(adapter).chat_template
    with torch.no_grad():
        answer["logits"] = adapted(input_ids=ids).logits[0].tolist()
        with adapted.disable_adapter():
            answer["base_logits"] = adapted(input_ids=ids).logits[0].tolist()
    answer["unsloth"] = "unsloth" in sys.modules
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
