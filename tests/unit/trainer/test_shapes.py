"""Shapes of rows: which become pairs, and why others do not."""

from typing import Any

import pytest

from preftrain_api.spec import DatasetSpec
from preftrain_trainer.data.shapes import MalformedRow, column_names, to_pair


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def columns_of(values: dict[str, Any]) -> dict[str, Any]:
    names = column_names(DatasetSpec(uri="hf://some/set"), frozenset(values))
    return dict(to_pair(values, names, 1).columns())


CONVERSATION = {"prompt": [user("q")], "chosen": [assistant("a")], "rejected": [assistant("b")]}


@pytest.mark.parametrize(
    ("row", "pair"),
    [
        pytest.param(
            {"prompt": "q", "chosen": "a", "rejected": "b"},
            {"prompt": "q", "chosen": "a", "rejected": "b"},
            id="text",
        ),
        pytest.param(CONVERSATION, CONVERSATION, id="messages"),
        pytest.param(
            {"prompt": [user("q")], "chosen": "a", "rejected": "b"},
            CONVERSATION,
            id="messages with answers as text",
        ),
        pytest.param(
            {"prompt": "q", "chosen": [assistant("a")], "rejected": [assistant("b")]},
            CONVERSATION,
            id="text with answers as messages",
        ),
        pytest.param(
            {
                "prompt": "q",
                "chosen": [user("q"), assistant("a")],
                "rejected": [user("q"), assistant("b")],
            },
            CONVERSATION,
            id="binarized UltraFeedback",
        ),
        pytest.param(
            {
                "prompt": [user("q")],
                "chosen": [user("q"), assistant("a")],
                "rejected": [user("q"), assistant("b")],
            },
            CONVERSATION,
            id="answers that repeat the prompt",
        ),
        pytest.param(
            {"chosen": [user("q"), assistant("a")], "rejected": [user("q"), assistant("b")]},
            CONVERSATION,
            id="messages with the prompt inside",
        ),
        pytest.param(
            {
                "chosen": "\n\nHuman: q\n\nAssistant: a",
                "rejected": "\n\nHuman: q\n\nAssistant: b",
            },
            CONVERSATION,
            id="HH",
        ),
        pytest.param(
            {"prompt": "\n\nHuman: q\n\nAssistant:", "chosen": " a", "rejected": " b"},
            CONVERSATION,
            id="HH with the prompt apart",
        ),
        pytest.param(
            {
                "chosen": "\n\nHuman: q\n\nAssistant: a\n\nAssistant: c",
                "rejected": "\n\nHuman: q\n\nAssistant: b",
            },
            {
                "prompt": [user("q")],
                "chosen": [assistant("a\n\nc")],
                "rejected": [assistant("b")],
            },
            id="HH with two turns in a row",
        ),
        pytest.param(
            {"chosen": "Tell me why. Because so.", "rejected": "Tell me why. Because no."},
            {"prompt": "Tell me why. Because ", "chosen": "so.", "rejected": "no."},
            id="text with the prompt inside",
        ),
        pytest.param(
            {"chosen": "Is it? yes", "rejected": "Is it? yesterday"},
            {"prompt": "Is it? ", "chosen": "yes", "rejected": "yesterday"},
            id="text, cut before the word that differs",
        ),
    ],
)
def test_known_shapes_become_pairs(row: dict[str, Any], pair: dict[str, Any]) -> None:
    """Prompt and answers are found, and the prompt is in neither answer."""
    assert columns_of(row) == pair


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"prompt": "q", "chosen": None, "rejected": "b"}, "chosen is missing"),
        ({"prompt": "q", "chosen": 3, "rejected": "b"}, "chosen is neither text nor"),
        ({"prompt": "q", "chosen": "a", "rejected": "  \n"}, "rejected is empty"),
        ({"prompt": "", "chosen": "a", "rejected": "b"}, "prompt is empty"),
        ({"prompt": [], "chosen": "a", "rejected": "b"}, "prompt is empty"),
        ({"prompt": "q", "chosen": "\ud800", "rejected": "b"}, "chosen is not valid Unicode"),
        ({"prompt": "q", "chosen": "a", "rejected": [assistant("b")]}, "one answer is text"),
        (
            {"prompt": "q", "chosen": [{"text": "a"}], "rejected": [assistant("b")]},
            "role and content",
        ),
        (
            {"prompt": "q", "chosen": [{"role": "bot", "content": "a"}], "rejected": []},
            "has the role 'bot'",
        ),
        (
            {"prompt": [user("q")], "chosen": [user("a")], "rejected": [assistant("b")]},
            "chosen does not end with a turn of the assistant",
        ),
        (
            {"prompt": [assistant("q")], "chosen": [assistant("a")], "rejected": [assistant("b")]},
            "prompt does not end with a turn of the user",
        ),
        ({"chosen": "one", "rejected": "two"}, "no beginning in common"),
        (
            {"chosen": [user("x"), assistant("a")], "rejected": [user("y"), assistant("b")]},
            "no turn in common",
        ),
        (
            {
                "chosen": "\n\nHuman: q\n\nAssistant:",
                "rejected": "\n\nHuman: q\n\nAssistant: b",
            },
            "chosen is empty",
        ),
    ],
)
def test_rows_that_are_no_pairs_say_why(row: dict[str, Any], says: str) -> None:
    """The reason names the column."""
    with pytest.raises(MalformedRow, match=says):
        columns_of(row)
