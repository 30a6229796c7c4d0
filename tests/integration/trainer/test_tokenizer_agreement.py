"""The audit's tokens are the training library's."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from preftrain_trainer.audit.tokenizer import load_tokenizer
from preftrain_trainer.data.pairs import Message
from support.tiny_model import CHATML, write_tokenizer
from support.trainer_cases import clean_environment

pytestmark = pytest.mark.integration

TALKS: list[list[Message]] = [
    [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Tell me of the Größe of 図."},
        {"role": "assistant", "content": "  It is large.\n"},
        {"role": "user", "content": "And <|im_end|> then?"},
    ],
    [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hello "}],
]
TEMPLATES = {
    "chatml": CHATML,
    "options": (
        "{{ bos_token }}{%- for message in messages %}\n"
        "    {%- if message.role == 'system' %}\n        {%- continue %}\n    {%- endif %}\n"
        "    {{- '<|im_start|>' + message['role'] + '\\n' + message['content'] | trim }}\n"
        "    {%- if message.role == 'assistant' %}{% generation %}{{ eos_token }}"
        "{% endgeneration %}{% endif %}\n"
        "{%- endfor %}\n{{ {'ä': tools} | tojson }}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    ),
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_both_make_the_same_tokens(tmp_path: Path, name: str) -> None:
    """Of conversations for an answer and whole, and of plain text, special tokens included."""
    write_tokenizer(tmp_path, ["Tell me of this and that."], template=TEMPLATES[name])
    tokenizer = load_tokenizer(tmp_path, "file://model")

    ended = subprocess.run(
        [sys.executable, "-m", "support.library_tokens", str(tmp_path), json.dumps(TALKS)],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )

    def ids(*, for_answer: bool) -> list[list[int]]:
        texts = [tokenizer.render(turns, for_answer=for_answer) for turns in TALKS]
        return tokenizer.ids(texts, special=False)

    assert json.loads(ended.stdout) == {
        "for_answer": ids(for_answer=True),
        "whole": ids(for_answer=False),
        "text": tokenizer.ids((turns[-1]["content"] for turns in TALKS), special=True),
    }
