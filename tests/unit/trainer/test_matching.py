"""Held-out answers become pairs that are trials of their own."""

from hypothesis import given
from hypothesis import strategies as st

from preftrain_trainer.evaluation.matching import matched


@given(labels=st.lists(st.booleans(), max_size=60), seed=st.integers(0, 2**32 - 1))
def test_pairs_are_disjoint_and_as_many_as_possible(labels: list[bool], seed: int) -> None:
    """Each a good answer and a bad one; nothing is used twice."""
    pairs = matched(labels, seed)
    used = [index for pair in pairs for index in pair]
    assert len(set(used)) == len(used) == 2 * min(sum(labels), len(labels) - sum(labels))
    assert all(labels[good] and not labels[bad] for good, bad in pairs)
    assert matched(labels, seed) == pairs


def test_another_seed_matches_anew() -> None:
    """The pairs are random, not those of the file's order."""
    labels = [True, False] * 30
    assert matched(labels, 1) != matched(labels, 2)


def test_the_rest_is_left_out_at_random() -> None:
    """Not always the end of the file."""
    labels = [True] * 2 + [False] * 60
    used = {bad for seed in range(20) for _, bad in matched(labels, seed)}
    assert len(used) > 20
