"""Which shape a file has: found out by its first rows, overruled by the spec, or refused."""

from typing import Any

import pytest

from preftrain_trainer.data.pairs import LabelledAnswer, PreferencePair
from preftrain_trainer.errors import DataRefused
from support.shapes import reading

PAIR: dict[str, Any] = {"prompt": "q", "chosen": "a", "rejected": "b"}
LABELLED: dict[str, Any] = {"prompt": "q", "completion": "a", "label": 1}
COMPARED = {"prompt": "q", "response_0": "a", "response_1": "b", "better_response_id": 0}


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (PAIR, "chosen and rejected answer (prompt, chosen, rejected)"),
        (
            {"system": "s", "question": "q", "chosen": "a", "rejected": "b"},
            "chosen and rejected answer (prompt from question, system, chosen, rejected)",
        ),
        (
            COMPARED,
            "two answers, compared (prompt, first from response_0, second from response_1, "
            "better from better_response_id)",
        ),
        (
            {"prompt": "q", "answers": [{"text": "a", "rank": 1}, {"text": "b", "rank": 2}]},
            "ranked answers (prompt, answers, ranks from answers.rank)",
        ),
        (
            {"conversations": [{"from": "gpt", "value": "a"}], "label": 0},
            "answer with a label (completion from conversations, label)",
        ),
    ],
)
def test_the_report_can_say_what_was_found(row: dict[str, Any], says: str) -> None:
    """The shape in words, and which column was taken for what."""
    assert str(reading([row])) == says


def test_broken_rows_at_the_start_do_not_hide_the_shape() -> None:
    """Most values of a column decide, and missing ones say nothing."""
    broken: dict[str, Any] = {"prompt": "q", "response": None, "label": "?"}

    assert reading([broken, *[LABELLED] * 5]).shape == "answer with a label"


def test_a_few_values_that_fit_make_no_shape() -> None:
    """A column of ratings with a 1 among them is no column of labels."""
    rows = [{"prompt": "q", "response": "a", "label": rating} for rating in (5, 3, 1, 4)]

    with pytest.raises(DataRefused, match="in the column 'label' that cannot be a label"):
        reading(rows)


def test_a_system_prompt_that_few_rows_have_is_not_overlooked() -> None:
    """One row after the first hundred may have the first one."""
    read = reading([{**PAIR, "system": None}]).read
    with_system = read(200, {**PAIR, "system": "s"})
    without = read(1, {**PAIR, "system": None})

    assert isinstance(with_system, PreferencePair)
    assert isinstance(without, PreferencePair)
    assert [len(with_system.prompt), len(without.prompt)] == [2, 1]
    assert without.is_conversational


def test_format_decides_between_two_ways() -> None:
    """Rows that hold a pair and a labelled answer are refused until the spec says which."""
    both = {**PAIR, **LABELLED}

    with pytest.raises(DataRefused) as refusal:
        reading([both])
    for part in ("more than one way", "chosen, completion, label", "dataset.format"):
        assert part in str(refusal.value)
    assert isinstance(reading([both], format="Paired").read(1, both), PreferencePair)
    assert isinstance(reading([both], format="Unpaired").read(1, both), LabelledAnswer)


def test_a_named_column_decides_between_two_ways() -> None:
    """Only shapes with a use for the column are tried."""
    both = {**PAIR, **LABELLED}

    assert reading([both], columns={"label": "label"}).kind == "Unpaired"
    assert reading([both], columns={"chosen": "chosen"}).kind == "Paired"


@pytest.mark.parametrize(
    ("row", "columns", "pair"),
    [
        pytest.param(
            {"q": "q", "one": "b", "two": "a", "pick": "B"},
            {"prompt": "q", "first": "one", "second": "two", "better": "pick"},
            PAIR,
            id="compared",
        ),
        pytest.param(
            {**COMPARED, "safer_response_id": 1},
            {"better": "safer_response_id"},
            {"prompt": "q", "chosen": "b", "rejected": "a"},
            id="another verdict",
        ),
        pytest.param(
            {"q": "q", "texts": ["b", "a"], "stars": [1, 5]},
            {"prompt": "q", "answers": "texts", "scores": "stars"},
            PAIR,
            id="scored list",
        ),
        pytest.param(
            {"q": "q", "texts": ["b", "a"], "places": ["2", "1"]},
            {"prompt": "q", "answers": "texts", "ranks": "places"},
            PAIR,
            id="ranked list",
        ),
        pytest.param(
            {"q": "q", "both": ["a", "b"]},
            {"prompt": "q", "answers": "both"},
            PAIR,
            id="the better one first",
        ),
        pytest.param(
            {"q": "q", "reply": "a", "ok": "yes"},
            {"prompt": "q", "completion": "reply", "label": "ok"},
            {"prompt": "q", "completion": "a", "label": True},
            id="labelled",
        ),
        pytest.param(
            {"persona": "s", **PAIR},
            {"system": "persona"},
            {
                "prompt": [
                    {"role": "system", "content": "s"},
                    {"role": "user", "content": "q"},
                ],
                "chosen": [{"role": "assistant", "content": "a"}],
                "rejected": [{"role": "assistant", "content": "b"}],
            },
            id="system prompt",
        ),
    ],
)
def test_columns_can_have_any_name(
    row: dict[str, Any], columns: dict[str, str], pair: dict[str, Any]
) -> None:
    """dataset.columns says where the parts stand, for each shape."""
    example = reading([row], columns=columns).read(1, row)

    assert isinstance(example, PreferencePair | LabelledAnswer)
    assert example.columns() == pair


@pytest.mark.parametrize(
    ("row", "dataset", "says"),
    [
        (
            {"text": "a", "meta": 1},
            {},
            ["rows.jsonl has the columns meta, text", "no known shape", "dataset.columns ("],
        ),
        (
            {"prompt": "q", "response": "a", "is_safe": True},
            {},
            ["is_safe, prompt, response", "completion and label"],
        ),
        (PAIR, {"format": "Unpaired"}, ["no known unpaired shape", "dataset.format"]),
        (
            {"prompt": "q", "response_0": "a", "response_1": "b", "worse": 1},
            {},
            ["no column 'better_response_id'", "dataset.columns.better"],
        ),
        (
            {"prompt": "q", "answers": ["a", "b"]},
            {},
            ["no column 'scores'", "dataset.columns.scores"],
        ),
        (PAIR, {"columns": {"label": "thumb"}}, ["no column 'thumb'", "dataset.columns.label"]),
        (PAIR, {"columns": {"system": "role"}}, ["no column 'role'", "dataset.columns.system"]),
        (
            PAIR,
            {"columns": {"chosen": "chosen", "label": "prompt"}},
            ["no known shape", "dataset.columns ("],
        ),
    ],
)
def test_unknown_columns_are_refused_with_the_way_out(
    row: dict[str, Any], dataset: dict[str, Any], says: list[str]
) -> None:
    """The refusal lists the columns and names the field that can say which is which."""
    with pytest.raises(DataRefused) as refusal:
        reading([row], **dataset)

    for part in says:
        assert part in str(refusal.value)


def test_many_long_columns_do_not_push_out_the_way_out() -> None:
    """A status holds 1024 characters of the message; what is not listed is counted."""
    row = {f"{number:03}{'x' * 5000}": 1 for number in range(200)}

    with pytest.raises(DataRefused) as refusal:
        reading([row])

    assert len(str(refusal.value)) < 1024
    assert "000xxx" in str(refusal.value)
    assert " and 194 more, which are of no known shape; name them" in str(refusal.value)
    assert str(refusal.value).endswith("or correct dataset.format")


def test_scores_of_prompts_that_never_repeat_make_no_pairs() -> None:
    """A set of one scored answer a prompt holds no preference."""
    rows = [{"prompt": f"q{n}", "response": "a", "score": n} for n in range(20)]

    with pytest.raises(DataRefused, match="no known shape"):
        reading(rows)
