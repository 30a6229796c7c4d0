"""Which held-out prompts are answered for the report."""

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from preftrain_trainer.data.pairs import LabelledAnswer, Message, PreferencePair
from preftrain_trainer.evaluation.samples import (
    Answer,
    Sample,
    choose,
    distinct_prompts,
    preferred,
    write_samples,
)

LENGTHS = {0: 12, 1: 90, 2: 7, 3: 33, 4: 20, 5: 21}


def test_the_longest_and_the_shortest_prompt_come_first() -> None:
    """They show what the middle does not."""
    assert choose(LENGTHS, 2, seed=1) == [1, 2]


def test_the_others_depend_on_the_seed_alone() -> None:
    """The same run shows the same prompts."""
    assert choose(LENGTHS, 4, seed=1) == choose(dict(reversed(LENGTHS.items())), 4, seed=1)
    assert len({tuple(choose(LENGTHS, 4, seed=seed)) for seed in range(20)}) > 1


@given(
    st.dictionaries(st.integers(0, 50), st.integers(1, 99), max_size=20),
    st.integers(0, 16),
    st.integers(0, 9),
)
def test_as_many_as_asked_for_and_none_twice(
    lengths: dict[int, int], count: int, seed: int
) -> None:
    """Or all of them, when there are fewer."""
    found = choose(lengths, count, seed)
    assert len(found) == len(set(found)) == min(count, len(lengths))
    assert set(found) <= set(lengths)


def test_a_prompt_with_several_pairs_is_one_prompt() -> None:
    """The first of its examples stands for it."""
    turns: tuple[Message, ...] = ({"role": "user", "content": "a"},)
    pairs = [
        PreferencePair(1, "a", "x", "y"),
        PreferencePair(2, "a", "y", "x"),
        PreferencePair(3, "b", "x", "y"),
        PreferencePair(4, turns, turns, turns),
    ]
    assert [example.row for example in distinct_prompts(pairs)] == [1, 3, 4]


def test_labelled_answers_have_no_preferred_one() -> None:
    """A label says whether an answer is good, not which is the better."""
    assert preferred(PreferencePair(1, "a", "x", "y")) == "x"
    assert preferred(LabelledAnswer(1, "a", "x", desirable=True)) is None


def test_samples_are_written_as_they_were_said(tmp_path: Path) -> None:
    """In any language, a line each."""
    answer = Answer(text="Grüße\n你好", tokens=4, ending="EndMark")
    write_samples(tmp_path / "s.jsonl", [Sample(3, "Hi?", None, answer, answer)])
    text = (tmp_path / "s.jsonl").read_text(encoding="utf-8")
    assert "你好" in text
    assert json.loads(text)["adapter"] == {"text": "Grüße\n你好", "tokens": 4, "ending": "EndMark"}
