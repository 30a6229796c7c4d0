"""Laws of reading: neither the shape of a row nor the form of a file changes what is trained on."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from preftrain_trainer.data.pairs import LabelledAnswer, PreferencePair
from preftrain_trainer.data.shapes.shape import ScoredAnswer
from preftrain_trainer.data.shapes.single import best_and_worst
from support.shapes import assistant, reading, user
from support.trainer_cases import Rows, load_data, run_spec, write_rows

LETTERS = st.characters(exclude_categories=["Cs"])
TEXT = st.text(LETTERS, min_size=1, max_size=12).map(str.strip).filter(bool)
"""Text as answers and prompts are: not blank, valid Unicode."""
PAIRS = st.tuples(TEXT, TEXT, TEXT).filter(lambda texts: texts[1] != texts[2])

Render = Callable[[str, str, str], Rows]

PLAIN: dict[str, Render] = {
    "chosen and rejected": lambda q, a, b: [{"prompt": q, "chosen": a, "rejected": b}],
    "argilla": lambda q, a, b: [
        {"instruction": q, "chosen_response": a, "rejected_response": b, "input": None}
    ],
    "two outputs": lambda q, a, b: [{"instruction": q, "input": "", "output": [a, b]}],
    "index": lambda q, a, b: [
        {"prompt": q, "response_0": b, "response_1": a, "better_response_id": 1}
    ],
    "label of SHP": lambda q, a, b: [
        {"history": q, "human_ref_A": a, "human_ref_B": b, "labels": 1}
    ],
    "strength": lambda q, a, b: [
        {"prompt": q, "response_1": b, "response_2": a, "preference_strength": 3}
    ],
    "scores": lambda q, a, b: [
        {"question": q, "answer_0": a, "answer_1": b, "score_0": 1, "score_1": 0.5}
    ],
    "scored list": lambda q, a, b: [{"prompt": q, "generations": [b, a], "ratings": [1, 2]}],
    "ranked objects": lambda q, a, b: [
        {"prompt": q, "answers": [{"answer": b, "rank": 2}, {"answer": a, "rank": 1}]}
    ],
    "scored rows": lambda q, a, b: [
        {"prompt": q, "response": b, "helpfulness": 0},
        {"prompt": q, "response": a, "helpfulness": 1},
    ],
}
TALKS: dict[str, Render] = {
    "messages": lambda q, a, b: [
        {"prompt": [user(q)], "chosen": [assistant(a)], "rejected": [assistant(b)]}
    ],
    "whole conversations": lambda q, a, b: [
        {"prompt": q, "chosen": [user(q), assistant(a)], "rejected": [user(q), assistant(b)]}
    ],
    "prompt inside": lambda q, a, b: [
        {"chosen": [user(q), assistant(a)], "rejected": [user(q), assistant(b)]}
    ],
    "ShareGPT": lambda q, a, b: [
        {
            "conversations": [{"from": "human", "value": q}],
            "chosen": {"from": "gpt", "value": a},
            "rejected": {"from": "gpt", "value": b},
        }
    ],
    "HH": lambda q, a, b: [
        {
            "chosen": f"\n\nHuman: {q}\n\nAssistant: {a}",
            "rejected": f"\n\nHuman: {q}\n\nAssistant: {b}",
        }
    ],
    "parts": lambda q, a, b: [
        {
            "prompt": [{"role": "user", "content": [{"type": "text", "text": q}]}],
            "chosen": [{"role": "assistant", "content": [{"type": "text", "text": a}]}],
            "rejected": [assistant(b)],
        }
    ],
    "arena": lambda q, a, b: [
        {
            "winner": "model_b",
            "conversation_a": [user(q), assistant(b)],
            "conversation_b": [user(q), assistant(a)],
        }
    ],
}


def read(rows: Rows) -> dict[str, Any]:
    way = reading(rows)
    items = [way.read(number, row) for number, row in enumerate(rows, 1)]
    rated = [item for item in items if isinstance(item, ScoredAnswer)]
    example = best_and_worst(rated) if rated else items[0]
    assert isinstance(example, PreferencePair | LabelledAnswer)
    return dict(example.columns())


@pytest.mark.parametrize("shape", PLAIN)
@settings(deadline=None)
@given(texts=PAIRS)
def test_every_shape_of_plain_text_gives_the_same_pair(
    shape: str, texts: tuple[str, str, str]
) -> None:
    """Prompt and answers come out as they went in, the better one as chosen."""
    prompt, good, bad = texts

    assert read(PLAIN[shape](*texts)) == {"prompt": prompt, "chosen": good, "rejected": bad}


@pytest.mark.parametrize("shape", TALKS)
@settings(deadline=None)
@given(texts=PAIRS)
def test_every_shape_of_a_conversation_gives_the_same_pair(
    shape: str, texts: tuple[str, str, str]
) -> None:
    """The same for turns."""
    assume(not any(mark in text for text in texts for mark in ("Human:", "Assistant:")))
    prompt, good, bad = texts

    assert read(TALKS[shape](*texts)) == {
        "prompt": [user(prompt)],
        "chosen": [assistant(good)],
        "rejected": [assistant(bad)],
    }


@pytest.mark.parametrize("form", ["json", "csv", "parquet", "jsonl.gz"])
@settings(max_examples=15, deadline=None)
@given(pairs=st.lists(PAIRS, min_size=1, max_size=5, unique=True))
def test_the_digest_does_not_depend_on_the_form_of_the_file(
    tmp_path_factory: pytest.TempPathFactory, form: str, pairs: list[tuple[str, str, str]]
) -> None:
    """Any text, line breaks and quotes included, is the same in every form."""
    folder = tmp_path_factory.mktemp("forms")
    rows = [dict(zip(("prompt", "chosen", "rejected"), pair, strict=True)) for pair in pairs]
    digests = set()
    for name in ("rows.jsonl", f"others.{form}"):
        write_rows(folder / name, rows)
        digests.add(load_data(run_spec(folder, dataset={"uri": f"file://{name}"}), folder).digest)

    assert len(digests) == 1
