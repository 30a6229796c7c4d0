"""The demo's preference pairs: enough of them, held-out ones unlike those trained on."""

import json
from pathlib import Path

import pytest

from demo.pairs import SOURCES, Split, free_prompts, make_pairs, word_runs, write_pairs

SPLITS: tuple[Split, ...] = ("train", "held-out")


@pytest.mark.parametrize(("split", "least"), [("train", 200), ("held-out", 100)])
def test_there_are_enough_pairs_of_many_kinds(split: Split, least: int) -> None:
    """Enough to learn from, and enough for an interval; from more than 25 kinds of question."""
    pairs = make_pairs(split)
    assert len(pairs) >= least
    assert len({pair.template for pair in pairs}) > 25


def test_training_and_held_out_questions_share_no_template() -> None:
    """No three words in a row of a held-out question occur in a training question."""
    trained = frozenset[tuple[str, ...]]().union(
        *(word_runs(pair.prompt) for pair in make_pairs("train"))
    )
    shared = {
        pair.prompt: word_runs(pair.prompt) & trained
        for pair in make_pairs("held-out")
        if word_runs(pair.prompt) & trained
    }
    assert not shared


def test_word_runs_notice_a_shared_template() -> None:
    """Two fillings of one template share a run; case and punctuation do not hide it."""
    first = word_runs("What is the capital of Peru?")
    assert word_runs("what IS the capital, of Kenya?") & first
    assert not word_runs("Name the largest city of Peru.") & first


def test_held_out_pairs_share_no_answer_and_no_rambling_with_training() -> None:
    """Neither what is said nor the wrapping around it can be learnt by heart."""
    trained, held_out = make_pairs("train"), make_pairs("held-out")
    assert not {pair.chosen for pair in trained} & {pair.chosen for pair in held_out}
    runs = frozenset[tuple[str, ...]]().union(*(word_runs(pair.rejected) for pair in trained))
    for pair in held_out:
        known = len(word_runs(pair.rejected) & runs) / len(word_runs(pair.rejected))
        assert known < 0.1, pair.rejected


@pytest.mark.parametrize("split", SPLITS)
def test_the_rejected_answer_is_the_chosen_one_inside_rambling(split: Split) -> None:
    """The pairs differ in length alone, so length is what is learnt."""
    for pair in make_pairs(split):
        assert pair.chosen in pair.rejected
        assert len(pair.rejected) > 2 * len(pair.chosen)
        assert pair.chosen == pair.chosen.strip()
        assert pair.chosen[0].isupper() or not pair.chosen[0].isalpha()


def test_no_question_is_asked_twice() -> None:
    """Duplicates would count as more data than there is."""
    prompts = [pair.prompt for split in SPLITS for pair in make_pairs(split)]
    assert len(prompts) == len(set(prompts))


def test_free_questions_are_held_out_and_of_different_kinds() -> None:
    """Twenty of them, each from a template of its own."""
    kind = {pair.prompt: pair.template for pair in make_pairs("held-out")}
    prompts = free_prompts()
    assert len(prompts) == 20
    assert len({kind[prompt] for prompt in prompts}) == 20


def test_writing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    """The data digest of a run must not change from one demo to the next."""
    for name in ("first", "second"):
        write_pairs(tmp_path / name)
    for split in SOURCES:
        first, second = (tmp_path / name / f"{split}.jsonl" for name in ("first", "second"))
        assert first.read_bytes() == second.read_bytes()


def test_another_seed_gives_another_order() -> None:
    """The seed is used."""
    assert make_pairs("train", seed=1) != make_pairs("train", seed=2)


def test_rows_are_chat_messages(tmp_path: Path) -> None:
    """An instruct model is asked in its own chat format."""
    counts = write_pairs(tmp_path)
    lines = (tmp_path / "train.jsonl").read_text(encoding="utf-8").splitlines()
    assert counts["train"] == len(lines)
    row = json.loads(lines[0])
    assert {name: row[name][0]["role"] for name in row} == {
        "prompt": "user",
        "chosen": "assistant",
        "rejected": "assistant",
    }
