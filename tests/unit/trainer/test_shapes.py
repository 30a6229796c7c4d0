"""Shapes of rows: which become examples, and why others do not."""

from typing import Any

import pytest

from preftrain_trainer.data.shapes.left_out import LeftOut, MalformedRow, SingleAnswer, Tied
from preftrain_trainer.errors import DataRefused
from support.shapes import CONVERSATION, assistant, columns_of, reading, user


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
                "prompt": "\n\nHuman: q\n\nAssistant:",
                "chosen": "\n\nHuman: q\n\nAssistant: a",
                "rejected": "\n\nHuman: q\n\nAssistant: b",
            },
            CONVERSATION,
            id="HH with the prompt apart and repeated",
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


@pytest.mark.parametrize(
    ("label", "desirable"),
    [
        *(
            (good, True)
            for good in (True, 1, 1.0, "1", "true", "True", " YES ", "good", "👍", "+1")
        ),
        *(
            (bad, False)
            for bad in (False, 0, -1, "0", "0.0", "FALSE", "no", "bad", "👎", "rejected")
        ),
    ],
)
def test_labels_are_read_in_many_spellings(label: Any, desirable: bool) -> None:
    """Booleans, numbers, words and thumbs."""
    row = {"prompt": "q", "completion": "a", "label": label}

    assert columns_of(row)["label"] is desirable


GOOD_LABEL = {"prompt": "q", "completion": "a", "label": 1}
COMPARED = {"prompt": "q", "response_0": "a", "response_1": "b", "better_response_id": 0}
RANKED = {"prompt": "q", "answers": ["a", "b"], "scores": [2, 1]}


@pytest.mark.parametrize(
    ("usual", "row", "reason", "says"),
    [
        (GOOD_LABEL, {"label": "meh"}, MalformedRow, "label 'meh' says neither good nor bad"),
        (GOOD_LABEL, {"label": None}, MalformedRow, "label None says neither"),
        (GOOD_LABEL, {"completion": ""}, MalformedRow, "completion is empty"),
        (COMPARED, {"better_response_id": 2}, MalformedRow, "2 names neither answer"),
        (COMPARED, {"better_response_id": "tie"}, Tied, "neither answer"),
        (RANKED, {"scores": [1, 1]}, Tied, "all rated alike"),
        (RANKED, {"scores": [1, None]}, SingleAnswer, "fewer than two rated"),
        (RANKED, {"scores": [1]}, MalformedRow, "different length"),
        (RANKED, {"answers": "a"}, MalformedRow, "answers is not a list"),
        (RANKED, {"answers": [3, "b"]}, MalformedRow, "answers is neither text nor"),
        (
            {"instruction": "q", "output": ["a", "b"]},
            {"output": ["a"]},
            MalformedRow,
            "output has 1 entries",
        ),
        (
            {"instruction": "q", "history": [], "chosen": "a", "rejected": "b"},
            {"history": [["h"]]},
            MalformedRow,
            "history is not a list of question and answer",
        ),
        (
            CONVERSATION,
            {
                "prompt": [
                    {
                        "role": "user",
                        "content": [
                            {"type": "image_url", "image_url": {"url": "x"}},
                            {"type": "text", "text": "q"},
                        ],
                    }
                ]
            },
            MalformedRow,
            "prompt: the content of a message has a part of type 'image_url'; only text",
        ),
        (
            CONVERSATION,
            {"prompt": [{"role": "user", "content": [{"type": "text"}]}]},
            MalformedRow,
            "prompt: the content of a message has a part of type 'text' that holds no text",
        ),
        (
            CONVERSATION,
            {"prompt": [{"role": "user", "from": "someone", "value": "q"}]},
            MalformedRow,
            "prompt: a message has the role 'someone'",
        ),
    ],
)
def test_rows_that_do_not_fit_their_shape_say_why(
    usual: dict[str, Any], row: dict[str, Any], reason: type[LeftOut], says: str
) -> None:
    """A file is read as its other rows are; the odd one out is counted with its reason."""
    with pytest.raises(reason, match=says):
        reading([usual] * 9).read(10, {**usual, **row})


@pytest.mark.parametrize(
    ("usual", "row", "says"),
    [
        (
            {"prompt": "q", "response_a": "a", "response_b": "b", "score_a": 1, "score_b": 2},
            {"score_b": "many"},
            "score_b is not a number",
        ),
        (
            {"prompt": "q", "response_a": "a", "response_b": "b", "score_a": 1, "score_b": 2},
            {"score_a": True},
            "score_a is not a number",
        ),
        ({"completion": "a", "label": True, "prompt": "q"}, {"prompt": 3}, "prompt is neither"),
        (
            {"system": "s", "prompt": "q", "chosen": "a", "rejected": "b"},
            {"system": 3},
            "system is not text",
        ),
        (
            {"prompt": "q", "generations": ["a", "b"], "scores": [1, 2]},
            {"scores": [1, 2, 3]},
            "generations and scores are of different length",
        ),
        (
            {"prompt": "q", "completions": [{"text": "a", "score": 1}, {"text": "b", "score": 2}]},
            {"completions": ["a", "b"]},
            "an entry of completions is not an object",
        ),
        (CONVERSATION, {"prompt": [{"role": "user", "content": 7}]}, "content of a message is not"),
    ],
)
def test_odd_cells_say_what_is_wrong(usual: dict[str, Any], row: dict[str, Any], says: str) -> None:
    """A row of a file whose other rows are as they should be."""
    with pytest.raises(MalformedRow, match=says):
        reading([usual] * 9).read(10, {**usual, **row})


def test_parts_of_a_content_may_be_text_alone() -> None:
    """Without the object around it."""
    prompt = [{"role": "user", "content": ["q", {"type": "text", "text": "uestion"}]}]
    assert columns_of({**CONVERSATION, "prompt": prompt})["prompt"] == [user("question")]


def test_a_labelled_answer_needs_a_prompt() -> None:
    """Text alone is not divided."""
    with pytest.raises(MalformedRow, match="there is no prompt"):
        columns_of({"completion": "a", "label": True})


def test_a_score_that_is_none_is_told() -> None:
    """Scored rows are compared with those that follow them."""
    rows = [{"prompt": "q", "completion": f"a {n}", "score": n} for n in range(9)]
    with pytest.raises(MalformedRow, match="score is not a number"):
        reading(rows).read(10, {**rows[0], "score": "good"})


def test_scored_answers_without_a_prompt_are_of_no_known_shape() -> None:
    """Nothing says which of them belong together."""
    with pytest.raises(DataRefused, match="no column 'prompt'"):
        reading([{"completion": f"a {n}", "score": n} for n in range(9)])


def test_a_conversation_of_unknown_roles_is_no_answer() -> None:
    """As little as one that waits for an answer."""
    talk = [{"role": "user", "content": "q"}, {"role": "critic", "content": "a"}]
    with pytest.raises(
        DataRefused, match="in the column 'conversations' that cannot be a completion"
    ):
        reading([{"conversations": talk, "label": True}])


def test_conversations_that_share_an_answer_begin_with_the_question() -> None:
    """What both go on from is a turn that can be answered."""
    chosen = [user("q"), assistant("same"), user("more"), assistant("a")]
    rejected = [user("q"), assistant("same"), user("other"), assistant("b")]

    found = columns_of({"chosen": chosen, "rejected": rejected})

    assert found["prompt"] == [user("q")]
