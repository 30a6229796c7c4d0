"""Token ids as transformers makes them: `python -m support.library_tokens FOLDER CONVERSATIONS`.

In a process of its own and with torch out of sight, as in the prepare image: imported beside
torch the library takes half a minute.
"""

import json
import sys
from typing import Any


def main() -> None:
    """Print the ids of each conversation with and without the beginning of an answer, and of its
    last turn as plain text.
    """
    sys.modules["torch"] = None  # type: ignore[assignment]
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(sys.argv[1])
    ids: dict[str, list[list[int]]] = {"for_answer": [], "whole": [], "text": []}
    for turns in json.loads(sys.argv[2]):
        for name, option in (("for_answer", True), ("whole", False)):
            made = tokenizer.apply_chat_template(
                turns, tokenize=True, return_dict=True, add_generation_prompt=option
            )
            ids[name].append(made["input_ids"])
        ids["text"].append(tokenizer(turns[-1]["content"])["input_ids"])
    sys.stdout.write(json.dumps(ids))


if __name__ == "__main__":
    main()
