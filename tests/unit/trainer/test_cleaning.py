"""What is left out of a set: repeats, contradictions, ties, overlap; and what each counts."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preftrain_trainer.data.pairs import LoadedData
from preftrain_trainer.data.repeats import keys_of, shared_with
from preftrain_trainer.errors import DataRefused
from support.trainer_cases import Rows, load_data, run_spec, text_rows, write_rows


def load(tmp_path: Path, rows: Rows, method: str = "DPO", **dataset: Any) -> LoadedData:
    write_rows(tmp_path / "data.jsonl", rows)
    where = {"uri": "file://data.jsonl", "evalFraction": 0}
    return load_data(run_spec(tmp_path, dataset=where | dataset, method={"type": method}), tmp_path)


def dropped(loaded: LoadedData) -> dict[str, int]:
    return {reason: count.rows for reason, count in loaded.tally.dropped.items() if count.rows}


def pair(prompt: str, chosen: str, rejected: str) -> dict[str, str]:
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected}


def test_repeated_pairs_are_kept_once(tmp_path: Path) -> None:
    """The first one stays; another answer or another prompt is no repeat."""
    rows = [pair("p", "a", "b"), pair("p", "a", "c"), pair("q", "a", "b"), pair("p", "a", "b")]

    loaded = load(tmp_path, rows)

    assert [example.row for example in loaded.train] == [1, 2, 3]
    assert dropped(loaded) == {"duplicates": 1}
    assert loaded.tally.dropped["duplicates"].examples == ["row 4 repeats row 1"]


def test_contradicting_pairs_are_all_left_out(tmp_path: Path) -> None:
    """Nobody can say which of them is right."""
    rows = [pair("p", "a", "b"), pair("q", "a", "b"), pair("p", "b", "a"), pair("p", "a", "b")]

    loaded = load(tmp_path, rows)

    assert [example.row for example in loaded.train] == [2]
    assert dropped(loaded) == {"contradictions": 3}
    assert "row 3 contradicts row 1" in loaded.tally.dropped["contradictions"].examples[1]


def test_an_answer_labelled_both_ways_is_left_out(tmp_path: Path) -> None:
    """The same for labelled answers, whose repeats are kept once too."""
    rows = [
        {"prompt": "p", "completion": text, "label": label}
        for text, label in (("a", 1), ("a", 0), ("b", 1), ("b", 1), ("c", 0))
    ]

    loaded = load(tmp_path, rows, method="KTO")

    assert loaded.kind == "Unpaired"
    assert [example.row for example in loaded.train] == [3, 5]
    assert dropped(loaded) == {"contradictions": 2, "duplicates": 1}


def test_identical_answers_and_ties_have_counts_of_their_own(tmp_path: Path) -> None:
    """Neither is malformed."""
    rows = [
        {"prompt": f"p{n}", "answers": ["a", "b"], "scores": scores}
        for n, scores in enumerate([[1, 2], [2, 2], [3]])
    ]
    rows += [{"prompt": "p", "answers": ["a", "a"], "scores": [1, 2]}]

    loaded = load(tmp_path, rows)

    assert [example.columns() for example in loaded.train] == [pair("p0", "b", "a")]
    assert dropped(loaded) == {"ties": 1, "malformed": 1, "identicalPairs": 1}


def test_scored_rows_of_a_prompt_are_compared(tmp_path: Path) -> None:
    """Rows that follow each other make one pair under the number of the first, over chunks too;
    the answer of the last prompt has none to be compared with.
    """
    rows = [
        {"prompt": prompt, "response": text, "helpfulness": score}
        for prompt, text, score in (
            ("p", "a", 1),
            ("p", "b", 4),
            ("p", "c", 0),
            ("q", "d", 2),
            ("q", "e", 2),
            ("r", "f", 3),
        )
    ]

    loaded = load(tmp_path, rows)

    assert [(example.row, example.columns()) for example in loaded.train] == [
        (1, pair("p", "b", "c"))
    ]
    assert dropped(loaded) == {"ties": 1, "singleAnswers": 1}
    assert loaded.tally.dropped["ties"].examples[0].startswith("data.jsonl line 4: ")


def test_held_out_prompts_that_are_trained_on_are_left_out(tmp_path: Path) -> None:
    """An evaluation split judges nothing that was learnt, and is never trained on."""
    write_rows(tmp_path / "set" / "train.jsonl", text_rows(8))
    test = [*text_rows(10)[6:], pair("Question 3?", "new", "newer"), pair("X?", "new", "newer")]
    write_rows(tmp_path / "set" / "test.jsonl", test)
    run = run_spec(tmp_path, dataset={"uri": "file://set", "evalSplit": "test"})

    loaded = load_data(run, tmp_path)

    assert len(loaded.train) == 8
    assert [example.prompt for example in loaded.held_out] == ["Question 8?", "Question 9?", "X?"]
    assert dropped(loaded) == {"evalOverlap": 3}
    assert loaded.tally.dropped["evalOverlap"].examples == ["row 9", "row 10", "row 13"]


KEYS = st.lists(st.integers(0, 12).map(lambda n: bytes([n % 3]) * 8 + bytes([n // 3]) * 8))


@settings(deadline=None)
@given(KEYS, KEYS)
def test_overlap_is_membership(trained: list[bytes], held_out: list[bytes]) -> None:
    """The same as looking each key up in a set."""
    shared = shared_with(
        keys_of(bytearray().join(trained)), keys_of(bytearray().join(held_out))
    ).tolist()

    assert shared == [key in set(trained) for key in held_out]


ANSWER = st.sampled_from("abc")


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("pq"), ANSWER, ANSWER), min_size=1, max_size=14))
def test_what_is_kept_says_each_thing_once(
    tmp_path_factory: pytest.TempPathFactory, texts: list[tuple[str, str, str]]
) -> None:
    """No kept pair repeats or contradicts another, and each pair that nobody contradicts is
    there: the same as comparing all with all.
    """
    folder = tmp_path_factory.mktemp("rows")

    loaded = load(folder, [pair(*text) for text in texts])

    kept = [tuple(example.columns().values()) for example in loaded.train]
    said = set(texts)
    assert kept == list(
        dict.fromkeys(
            text for text in texts if text[1] != text[2] and (text[0], text[2], text[1]) not in said
        )
    )
    assert len(kept) + loaded.tally.dropped_rows == len(texts) == loaded.tally.rows


@pytest.mark.parametrize("method", ["DPO", "ORPO"])
def test_labelled_answers_are_refused_where_pairs_are_learnt_from(
    tmp_path: Path, method: str
) -> None:
    """The refusal names the method and the one that can."""
    rows = [{"prompt": "p", "completion": "a", "label": 1}]

    with pytest.raises(DataRefused, match=f"method.type {method} learns from pairs.*to KTO"):
        load(tmp_path, rows, method=method)


def test_files_of_two_kinds_are_refused(tmp_path: Path) -> None:
    """Pairs and labelled answers do not mix; the refusal names the file."""
    write_rows(tmp_path / "set" / "a.jsonl", text_rows(3))
    write_rows(tmp_path / "set" / "b.jsonl", [{"prompt": "p", "completion": "a", "label": 1}])
    run = run_spec(tmp_path, dataset={"uri": "file://set"}, method={"type": "KTO"})

    with pytest.raises(DataRefused, match=r"b\.jsonl is unpaired data .* before it are paired"):
        load_data(run, tmp_path)


def test_files_of_several_shapes_make_one_set(tmp_path: Path) -> None:
    """Each file is read by its own columns, and the shapes are all named."""
    write_rows(tmp_path / "set" / "a.jsonl", text_rows(2))
    row = {"prompt": "p", "response_0": "a", "response_1": "b", "better_response_id": 1}
    write_rows(tmp_path / "set" / "b.jsonl", [row])
    run = run_spec(tmp_path, dataset={"uri": "file://set", "evalFraction": 0})

    loaded = load_data(run, tmp_path)

    assert loaded.train[2].columns() == pair("p", "b", "a")
    assert loaded.shape.startswith("chosen and rejected answer (prompt, chosen, rejected); two")
