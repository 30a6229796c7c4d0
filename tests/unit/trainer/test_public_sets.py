"""Rows of public preference sets, as these have them, and the examples that come out."""

from typing import Any

import pytest

from support.shapes import CONVERSATION, assistant, columns_of, user

SYSTEM = {"role": "system", "content": "s"}
PAIR = {"prompt": "q", "chosen": "a", "rejected": "b"}


@pytest.mark.parametrize(
    ("row", "pair"),
    [
        pytest.param(
            {"system": "s", "question": "q", "chosen": "a", "rejected": "b"},
            {**CONVERSATION, "prompt": [SYSTEM, user("q")]},
            id="Orca pairs",
        ),
        pytest.param(
            {"system": "", "input": "q", "chosen": "a", "rejected": "b", "rating": [9, 1]},
            CONVERSATION,
            id="Orca pairs by distilabel, without a system prompt",
        ),
        pytest.param(
            {
                "system_prompt": "other",
                "chosen": [SYSTEM, user("q"), assistant("a")],
                "rejected": [SYSTEM, user("q"), assistant("b")],
            },
            {**CONVERSATION, "prompt": [SYSTEM, user("q")]},
            id="conversations with a system turn beside a column for it",
        ),
        pytest.param(
            {
                "instruction": "q",
                "chosen_response": "a",
                "rejected_response": "b",
                "chosen_rating": 5,
                "generations": ["a", "b"],
            },
            PAIR,
            id="argilla's pairs",
        ),
        pytest.param(
            {
                "prompt": "q",
                "chosen": [user("q"), assistant("a")],
                "rejected": [user("q"), assistant("b")],
                "all_generated_responses": ["b", "a"],
                "all_rm_scores": [0.1, 0.2],
                "messages": [user("q"), assistant("a")],
            },
            CONVERSATION,
            id="generations beside the pair that was made of them",
        ),
        pytest.param(
            {
                "id": 1,
                "chosen": [SYSTEM, user("q"), assistant("a")],
                "rejected": [SYSTEM, user("q"), assistant("b")],
            },
            {**CONVERSATION, "prompt": [SYSTEM, user("q")]},
            id="Tulu, with a system turn inside",
        ),
        pytest.param(
            {
                "instruction": "q",
                "input": "",
                "system": "s",
                "history": [["h", "i"]],
                "chosen": "a",
                "rejected": "b",
            },
            {**CONVERSATION, "prompt": [SYSTEM, user("h"), assistant("i"), user("q")]},
            id="Alpaca ranking with history",
        ),
        pytest.param(
            {"instruction": "q", "input": "x", "output": [" a", "b "]},
            {"prompt": "q\nx", "chosen": " a", "rejected": "b "},
            id="Alpaca, two outputs",
        ),
        pytest.param(
            {
                "conversations": [
                    {"from": "system", "value": "s"},
                    {"from": "human", "value": "q"},
                ],
                "chosen": {"from": "gpt", "value": "a"},
                "rejected": {"from": "gpt", "value": "b"},
            },
            {**CONVERSATION, "prompt": [SYSTEM, user("q")]},
            id="ShareGPT",
        ),
        pytest.param(
            {
                "messages": [user("q")],
                "chosen": assistant("a"),
                "rejected": {"role": "assistant", "content": [{"type": "text", "text": "b"}]},
            },
            CONVERSATION,
            id="messages with two last turns, one in parts",
        ),
        pytest.param(
            {
                "prompt": "q",
                "response_0": "b",
                "response_1": "a",
                "is_response_0_safe": False,
                "better_response_id": 1,
                "safer_response_id": 0,
            },
            PAIR,
            id="PKU-SafeRLHF",
        ),
        pytest.param(
            {
                "post_id": "x",
                "history": "q",
                "human_ref_A": "a",
                "human_ref_B": "b",
                "labels": 1,
                "score_A": 3,
                "score_B": 9,
            },
            PAIR,
            id="SHP, whose label counts and not the votes",
        ),
        pytest.param(
            {"history": "q", "human_ref_A": "b", "human_ref_B": "a", "score_A": 3, "score_B": 9},
            PAIR,
            id="SHP, votes alone",
        ),
        pytest.param(
            {"prompt": "q", "response_1": "a", "response_2": "b", "preference_strength": -2},
            PAIR,
            id="HelpSteer2 preferences",
        ),
        pytest.param(
            {"context": [user("q")], "response1": "b", "response2": "a", "overall_preference": 1},
            CONVERSATION,
            id="HelpSteer3",
        ),
        pytest.param(
            {"instruction": "q", "input": "", "output_1": "b", "output_2": "a", "preference": 2},
            PAIR,
            id="AlpacaFarm",
        ),
        pytest.param(
            {
                "model_a": "x",
                "model_b": "y",
                "winner": "model_b",
                "conversation_a": [user("q"), assistant("b")],
                "conversation_b": [user("q"), assistant("a")],
            },
            CONVERSATION,
            id="arena votes",
        ),
        pytest.param(
            {
                "question": "q",
                "answer_0": "b",
                "answer_1": "a",
                "score_0": "-0.5",
                "score_1": "0.5",
            },
            PAIR,
            id="scores as text, as in CSV",
        ),
        pytest.param(
            {
                "instruction": "q",
                "completions": [
                    {"response": "c", "overall_score": 5.0},
                    {"response": "a", "overall_score": 8.5},
                    {"response": "b", "overall_score": 1.0},
                    {"response": "d", "overall_score": None},
                ],
                "models": ["w", "x", "y", "z"],
            },
            PAIR,
            id="UltraFeedback",
        ),
        pytest.param(
            {
                "prompt": "\n\nHuman: q\n\nAssistant: ",
                "answers": [
                    {"answer": "b", "model": "x", "rank": 7.0},
                    {"answer": "a", "model": "y", "rank": 1.0},
                    {"answer": "c", "model": "z", "rank": 2.0},
                ],
            },
            CONVERSATION,
            id="Nectar",
        ),
        pytest.param(
            {"instruction": "q", "generations": ["b", "c", "a"], "ratings": [1, 3, 5]},
            PAIR,
            id="distilabel generations",
        ),
        pytest.param(
            {"prompt": "q", "responses": ["a", "b", "c"], "ranks": [1, 3, 2]},
            PAIR,
            id="ranks beside the answers",
        ),
        pytest.param(
            {
                "question": "q",
                "answers": [
                    {"text": "a", "pm_score": 7, "selected": True},
                    {"text": "b", "pm_score": 0, "selected": False},
                ],
            },
            PAIR,
            id="Stack Exchange",
        ),
        pytest.param(
            {"prompt": "q", "generations": [[assistant("b")], [assistant("a")]], "scores": [0, 1]},
            CONVERSATION,
            id="ranked messages",
        ),
        pytest.param(
            {"prompt": [user("q")], "completion": [assistant("a")], "label": True},
            {"prompt": [user("q")], "completion": [assistant("a")], "label": True},
            id="KTO mix",
        ),
        pytest.param(
            {"instruction": "q", "input": "", "output": "a", "kto_tag": False},
            {"prompt": "q", "completion": "a", "label": False},
            id="Alpaca with a tag",
        ),
        pytest.param(
            {"messages": [user("q"), assistant("i"), user("r"), assistant("a")], "label": "good"},
            {
                "prompt": [user("q"), assistant("i"), user("r")],
                "completion": [assistant("a")],
                "label": True,
            },
            id="labelled conversation",
        ),
        pytest.param(
            {"completion": "\n\nHuman: q\n\nAssistant: a", "label": 1},
            {"prompt": [user("q")], "completion": [assistant("a")], "label": True},
            id="labelled HH dialogue",
        ),
    ],
)
def test_public_sets_need_no_conversion(row: dict[str, Any], pair: dict[str, Any]) -> None:
    """Rows as these sets have them, cut to what matters."""
    assert columns_of(row) == pair
