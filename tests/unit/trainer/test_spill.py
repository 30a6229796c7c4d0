"""Examples on disk: the same as in memory, gone with the process, and split as ever."""

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preftrain_trainer.data.holdout import digest
from preftrain_trainer.data.pairs import (
    Example,
    LabelledAnswer,
    PreferencePair,
    as_answers,
    as_pairs,
)
from preftrain_trainer.data.spill import Spill, SpilledExamples, canonical
from preftrain_trainer.errors import ObjectStoreUnavailable
from support.shapes import assistant, user
from support.trainer_cases import Rows, load_data, run_spec, text_rows, write_rows

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
PLAIN = st.builds(PreferencePair, st.integers(1, 2**40), TEXT, TEXT, TEXT)
TURNS = st.lists(st.sampled_from([user("é\n"), assistant("b")]), min_size=1, max_size=3).map(tuple)
TALKS = st.builds(PreferencePair, st.integers(1, 9), TURNS, TURNS, TURNS)
LABELLED = st.builds(LabelledAnswer, st.integers(1, 9), TEXT, TEXT, st.booleans())


def spilled(folder: Path, examples: list[Example]) -> SpilledExamples:
    spill = Spill(folder, seed=42)
    for example in examples:
        spill.append(example)
    return SpilledExamples(spill, np.arange(len(examples)))


@settings(deadline=None)
@given(st.one_of(st.lists(PLAIN), st.lists(TALKS), st.lists(LABELLED)))
def test_what_comes_back_is_what_went_in(
    tmp_path_factory: pytest.TempPathFactory, examples: list[Example]
) -> None:
    """By number, by slice and in order; the lines are those that the digest is made of."""
    kept = spilled(tmp_path_factory.mktemp("spill"), examples)

    assert list(kept) == examples
    assert [kept[number] for number in range(len(kept))] == examples
    assert list(kept[1:]) == examples[1:]
    assert list(kept.lines()) == [canonical(example.columns()) + b"\n" for example in examples]


def test_reading_may_begin_before_writing_ends(tmp_path: Path) -> None:
    """What is still in a buffer is found too."""
    spill = Spill(tmp_path, seed=1)
    first, second = PreferencePair(1, "p", "a", "b"), PreferencePair(2, "p", "c", "d")

    spill.append(first)
    assert spill.example(0) == first
    spill.append(second)
    assert [spill.example(0), spill.example(1)] == [first, second]


def test_nothing_is_left_in_the_folder(tmp_path: Path) -> None:
    """The file has no name from the start, so that no end of the process leaves it behind."""
    kept = spilled(tmp_path / "scratch", [PreferencePair(1, "p", "a", "b")])

    assert list((tmp_path / "scratch").iterdir()) == []
    assert len(kept) == 1


@pytest.mark.parametrize(
    ("number", "error", "says"),
    [
        (errno.EIO, ObjectStoreUnavailable, r"dataset\.uri.*Input/output error.*unpacked"),
        # Whoever knows the folders says which disk is full.
        (errno.ENOSPC, OSError, "No space left"),
    ],
)
def test_a_disk_that_fails_is_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    error: type[Exception],
    says: str,
) -> None:
    """The message names the folder and what would help; the run can be tried again."""

    def fail(*_: Any) -> int:
        raise OSError(number, os.strerror(number))

    kept = spilled(tmp_path, [PreferencePair(1, "p", "a", "b")])
    monkeypatch.setattr("os.write", fail)

    with pytest.raises(error, match=says):
        kept[0]


def test_pairs_are_read_one_by_one(tmp_path: Path) -> None:
    """Typed as pairs, examples stay on disk; anything else among them is a mistake of ours."""
    kept = spilled(tmp_path, [PreferencePair(n, f"p{n}", "a", "b") for n in range(5)])
    pairs = as_pairs(kept)

    assert [pair.prompt for pair in pairs[1:3]] == ["p1", "p2"]
    assert len(pairs) == 5
    with pytest.raises(TypeError, match="LabelledAnswer"):
        list(as_pairs(spilled(tmp_path, [LabelledAnswer(1, "p", "a", True)])))


IMPLICIT = [{"chosen": f"Tell me {n}. yes", "rejected": f"Tell me {n}. no"} for n in range(40)]
ULTRAFEEDBACK: Rows = [
    {
        "prompt": f"q{n}",
        "chosen": [user(f"q{n}"), assistant(f"a{n}")],
        "rejected": [user(f"q{n}"), assistant(f"b{n}é")],
    }
    for n in range(40)
]
HH = [
    {
        "chosen": f"\n\nHuman: q{n % 25}\n\nAssistant: a{n}",
        "rejected": f"\n\nHuman: q{n % 25}\n\nAssistant: b{n}",
    }
    for n in range(40)
]


@pytest.mark.parametrize(
    ("rows", "fraction", "held_out", "named"),
    [
        pytest.param(
            text_rows(100),
            0.05,
            [23, 28, 43, 57, 62],
            "8c8c073cd19e8c629d02dd93252a8584a21bd8962f93ddc6ea1c3493359fe562",
            id="text",
        ),
        pytest.param(
            IMPLICIT,
            0.2,
            [1, 6, 14, 18, 22, 26, 33, 36],
            "db90880688903d234c337f9253c5dd08c7318eb3f9493d2c23ecfdc8e01e038c",
            id="implicit prompt",
        ),
        pytest.param(
            ULTRAFEEDBACK,
            0.2,
            [2, 13, 21, 24, 25, 26, 27, 31],
            "9e933f4c4b69fece9a592040f994b731f02d09804971cbacb3ce692299784742",
            id="messages",
        ),
        pytest.param(
            HH,
            0.2,
            [2, 13, 20, 21, 24, 25, 27, 38],
            "8ed1a7e265c6f67c1d9feedd6bfb8a9aa0136fa870e631eb68dd3b03c97d5990",
            id="HH",
        ),
    ],
)
def test_digest_and_split_of_known_files_never_change(
    tmp_path: Path, rows: Rows, fraction: float, held_out: list[int], named: str
) -> None:
    """Published adapters name their data by them."""
    write_rows(tmp_path / "data.jsonl", rows)
    dataset = {"uri": "file://data.jsonl", "evalFraction": fraction}

    loaded = load_data(run_spec(tmp_path, dataset=dataset), tmp_path)

    assert [example.row for example in loaded.held_out] == held_out
    assert loaded.digest == f"sha256:{named}"
    assert loaded.digest == digest(loaded.train, loaded.held_out)


def test_labelled_answers_are_typed_as_such(tmp_path: Path) -> None:
    """One by one, some of them, and all; nothing is read before."""
    examples: list[Example] = [LabelledAnswer(n, "p", f"a {n}", n > 1) for n in (1, 2, 3)]
    answers = as_answers(spilled(tmp_path, examples))

    assert list(answers[1:]) == examples[1:]
    assert (answers[0], len(answers)) == (examples[0], 3)
