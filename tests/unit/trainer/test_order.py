"""The order in which examples are seen."""

from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from preftrain_trainer.training.order import interleaved_order, training_order


@given(
    lengths=st.lists(st.integers(1, 500), min_size=1, max_size=60),
    batch_size=st.integers(1, 8),
    steps=st.integers(1, 30),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_example_is_seen_equally_often(
    lengths: list[int], batch_size: int, steps: int, seed: int
) -> None:
    """Whole batches only, and no example is ahead of another by more than one epoch."""
    order = training_order(lengths, batch_size, steps, seed)
    seen = Counter(order)
    assert len(order) == steps * batch_size
    assert max(seen.values()) - min(seen[i] for i in range(len(lengths))) <= 1


def test_the_order_depends_on_the_seed_alone() -> None:
    """The same seed repeats a run; another one shuffles anew."""
    lengths = list(range(100))
    assert training_order(lengths, 4, 25, 1) == training_order(lengths, 4, 25, 1)
    assert training_order(lengths, 4, 25, 1) != training_order(lengths, 4, 25, 2)


def test_batches_hold_similar_lengths_in_random_sequence() -> None:
    """Padding is small, but short and long batches take turns."""
    lengths = [(index * 37) % 400 for index in range(400)]
    order = training_order(lengths, 8, 50, 42)
    batches = [[lengths[i] for i in order[at : at + 8]] for at in range(0, 400, 8)]
    assert max(max(batch) - min(batch) for batch in batches) <= 8
    longest = [max(batch) for batch in batches]
    assert longest != sorted(longest)
    assert longest != sorted(longest, reverse=True)


@given(
    good=st.integers(1, 60),
    bad=st.integers(1, 60),
    count=st.integers(1, 300),
    seed=st.integers(0, 2**32 - 1),
)
def test_labels_are_mixed_evenly(good: int, bad: int, count: int, seed: int) -> None:
    """No four answers in a row carry one label, as long as the rarer one makes up a quarter;
    and every answer is seen equally often, give or take one.
    """
    labels = [True] * good + [False] * bad
    order = interleaved_order(labels, count, seed)
    assert len(order) == count
    if 4 * min(good, bad) >= good + bad:
        for start in range(count - 3):
            assert len({labels[index] for index in order[start : start + 4]}) == 2
    seen = Counter(order)
    times = [seen[index] for index in range(len(labels))]
    assert max(times) - min(times) <= 1
    whole = interleaved_order(labels, good + bad, seed)
    assert sorted(whole) == list(range(good + bad))


def test_the_order_of_labels_depends_on_the_seed_alone() -> None:
    """A longer run begins like a shorter one, so a resumed run finds its place by counting."""
    labels = [index % 3 == 0 for index in range(90)]
    assert interleaved_order(labels, 40, 1) == interleaved_order(labels, 80, 1)[:40]
    assert interleaved_order(labels, 40, 1) != interleaved_order(labels, 40, 2)


def test_good_and_bad_answers_of_one_pair_are_seldom_neighbours() -> None:
    """KTO's mismatched answers should belong to other prompts."""
    labels = [True, False] * 100
    order = interleaved_order(labels, 200, 42)
    neighbours = sum(a // 2 == b // 2 for a, b in pairwise(order))
    assert neighbours < 10


def test_nothing_to_see_has_no_order() -> None:
    """No endless search for an example."""
    assert training_order([], 4, 2, 0) == ()
