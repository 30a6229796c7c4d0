"""Token ids on disk come back as they went in, and take next to no memory."""

import tracemalloc
from array import array
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from preftrain_trainer.data.lazy import Lazy
from preftrain_trainer.data.pairs import PreferencePair
from preftrain_trainer.data.token_spill import TokenSpill
from preftrain_trainer.data.tokens import Tokenization

IDS = some.lists(some.integers(0, 2**32 - 1), max_size=5).map(tuple)


@settings(deadline=None)
@given(some.lists(some.tuples(IDS, IDS, IDS)))
def test_what_comes_back_is_what_went_in(
    tmp_path_factory: pytest.TempPathFactory, examples: list[tuple[tuple[int, ...], ...]]
) -> None:
    """Also parts without a token; nothing is left in the folder."""
    folder = tmp_path_factory.mktemp("spill")
    spill = TokenSpill(folder, 3)
    for example in examples:
        spill.append(example)

    assert len(spill) == len(examples)
    assert [tuple(spill.read(position)) for position in range(len(spill))] == examples
    assert not list(folder.iterdir())


def test_the_systems_folder_serves_where_none_is_named() -> None:
    """Trials outside of a run have no workspace."""
    spill = TokenSpill(None, 2)
    spill.append([(1,), array("I", [2, 3])])
    assert spill.read(0) == [(1,), (2, 3)]


def test_items_are_made_when_they_are_asked_for() -> None:
    """By number, from the end, by slice and in order."""
    asked: list[int] = []

    def square(position: int) -> int:
        asked.append(position)
        return position**2

    squares = Lazy(5, square)
    assert (len(squares), asked) == (5, [])
    assert (squares[3], squares[-1]) == (9, 16)
    assert squares[1:3] == [1, 4]
    assert asked == [3, 4, 1, 2]
    assert list(squares) == [0, 1, 4, 9, 16]
    with pytest.raises(IndexError):
        squares[5]


class Words:
    """A tokenizer of one id a letter, all of them large."""

    chat_template = None
    eos_token_id = 0

    def __call__(self, texts: list[str], **_: object) -> dict[str, list[list[int]]]:
        return {"input_ids": [[100_000 + ord(letter) for letter in text] for text in texts]}


def test_memory_does_not_grow_with_the_tokens(tmp_path: Path) -> None:
    """Measured: what is held after a million ids, which are 36 MB as numbers in tuples."""
    text = "abcde" * 200
    pairs = [PreferencePair(row, text, text, text[1:]) for row in range(1, 341)]
    tokenization = Tokenization(Words(), frozenset({0}), 1 << 20, scratch=tmp_path)

    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tokenized = tokenization.tokenize(pairs, conversational=False)
        held = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()

    assert tokenized.examples[339].prompt == tuple(100_000 + ord(letter) for letter in text)
    assert held < 1_200_000
