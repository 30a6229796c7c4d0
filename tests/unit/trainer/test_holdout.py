"""Held-out pairs: which ones, how many, and the digest that names the outcome."""

from hypothesis import given
from hypothesis import strategies as st

from preftrain_trainer.data import holdout
from preftrain_trainer.data.holdout import digest
from preftrain_trainer.data.pairs import PreferencePair
from preftrain_trainer.data.repeats import keys_of
from preftrain_trainer.data.spill import canonical, prompt_key

Pairs = list[PreferencePair]


def hold_out(both: Pairs, fraction: float, seed: int) -> tuple[Pairs, Pairs]:
    keys = bytearray().join(prompt_key(canonical(pair.prompt), seed) for pair in both)
    chosen = holdout.hold_out(keys_of(keys), fraction).tolist()
    train = [pair for pair, held in zip(both, chosen, strict=True) if not held]
    return train, [pair for pair, held in zip(both, chosen, strict=True) if held]


def pairs(prompts: list[str]) -> list[PreferencePair]:
    return [PreferencePair(n, text, f"a{n}", f"b{n}") for n, text in enumerate(prompts, 1)]


@given(
    st.lists(st.sampled_from("abcdefghij"), min_size=1, max_size=60),
    st.floats(0, 0.5),
    st.integers(0, 2**32 - 1),
)
def test_a_split_loses_nothing_and_leaks_nothing(
    prompts: list[str], fraction: float, seed: int
) -> None:
    """Every pair is on one side, no prompt is on both, order stays, and training gets some."""
    both = pairs(prompts)

    train, held_out = hold_out(both, fraction, seed)

    assert train
    assert sorted([*train, *held_out], key=lambda pair: pair.row) == both
    assert train == sorted(train, key=lambda pair: pair.row)
    assert not {pair.prompt for pair in train} & {pair.prompt for pair in held_out}
    assert hold_out(both, fraction, seed) == (train, held_out)


def test_the_share_is_met_where_prompts_are_distinct() -> None:
    """A twentieth of a thousand pairs is fifty, exactly."""
    train, held_out = hold_out(pairs([f"p{n}" for n in range(1000)]), 0.05, 42)

    assert (len(train), len(held_out)) == (950, 50)


def test_another_seed_holds_out_other_pairs() -> None:
    """The seed decides, not the order of the file."""
    both = pairs([f"p{n}" for n in range(100)])

    assert hold_out(both, 0.2, 1) != hold_out(both, 0.2, 2)
    reordered = hold_out(both[::-1], 0.2, 1)[1]
    assert {pair.row for pair in reordered} == {pair.row for pair in hold_out(both, 0.2, 1)[1]}


def test_the_choice_is_stable() -> None:
    """A run that is resumed or repeated years later holds out the same pairs."""
    held_out = hold_out(pairs([f"p{n % 80}" for n in range(100)]), 0.1, 42)[1]

    assert [pair.row for pair in held_out] == HELD_OUT


HELD_OUT = [5, 6, 22, 30, 55, 60, 67, 73, 85, 86]


def test_the_digest_names_content_order_and_side() -> None:
    """Whatever changes what is trained on or judged changes the digest."""
    one, two = pairs(["x", "y"])
    seen = {
        digest([one, two], []),
        digest([two, one], []),
        digest([one], [two]),
        digest([one], []),
        digest([PreferencePair(1, "x", "b1", "a1"), two], []),
    }

    assert len(seen) == 5
    assert digest([PreferencePair(9, "x", "a1", "b1")], []) == digest([one], [])


def test_the_digest_is_stable() -> None:
    """A published digest can be compared years later: this value must never change."""
    assert digest(pairs(["é"]), []) == (
        "sha256:40249f08b3bf40894e5ebb8effc81a0d04e6b00805e04d339c6a176ae9faccc9"
    )
