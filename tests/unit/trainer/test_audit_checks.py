"""Checks that count and compare: prompts, lengths, labels, steps."""

import pytest

from preftrain_api.spec import KtoSpec, PreferenceTrainingJobSpec
from preftrain_trainer.audit import size
from preftrain_trainer.audit.labels import LabelProbe
from preftrain_trainer.audit.lengths import LengthProbe, LengthTable, percentiles
from preftrain_trainer.audit.prompts import PromptProbe
from preftrain_trainer.audit.sample import Sample
from preftrain_trainer.audit.seen import seen
from preftrain_trainer.data.pairs import Message, PreferencePair
from support.audited import answer, looked, pair
from support.spec_cases import MINIMAL


def turn(role: str, content: str) -> Message:
    return {"role": role, "content": content}


def test_conversations_are_seen_as_text() -> None:
    """All turns make the prompt, the last one is the question."""
    talk = (turn("user", "Hi."), turn("assistant", "Hello."), turn("user", "And now?"))
    example = PreferencePair(7, talk, (turn("assistant", "Go."),), (turn("assistant", "Stay."),))

    found = seen(example)

    assert found.prompt == "Hi.\n\nHello.\n\nAnd now?"
    assert (found.question, found.answers, found.good) == ("And now?", ("Go.", "Stay."), "Go.")


def test_a_bad_answer_is_nothing_to_learn() -> None:
    """Unpaired examples have one answer, which is good only by its label."""
    assert (answer("Aha.").good, answer("Aha.").pair) == ("Aha.", None)
    assert answer("Aha.", good=False).good is None


def test_prompts_with_many_answers_are_counted() -> None:
    """All examples of such a prompt count, and the first beyond the limit is the example."""
    rows = [pair("often", row=row) for row in range(1, 5)] + [pair(f"once {n}") for n in range(6)]

    measure = looked(PromptProbe(3), rows)["repeatedPrompts"]

    assert (measure.count, measure.of, measure.examples) == (4, 10, ("row 4",))
    assert measure.statement is not None
    assert "the commonest has 4" in measure.statement


def test_prompts_are_counted_in_bounded_memory() -> None:
    """Beyond the limit a random part of the prompts stands for all."""
    rows = [pair(f"prompt {n // 5}") for n in range(5000)]

    measure = looked(PromptProbe(3, most=100), rows)["repeatedPrompts"]

    assert 0 < measure.of < 1000
    assert measure.compared == 1


def test_no_prompt_is_common() -> None:
    """Then there is nothing to say beyond the share."""
    measure = looked(PromptProbe(3), [pair("a"), pair("b")])["repeatedPrompts"]

    assert (measure.count, measure.of, measure.statement) == (0, 2, None)


def test_the_longer_answer_is_preferred() -> None:
    """The share counts pairs, the factor compares medians."""
    rows = [pair("q", "x" * 30, "x" * 10)] * 3 + [pair("q", "x" * 8, "x" * 10)]

    found = looked(LengthProbe(), rows)

    assert found["longerChosen"].compared == 0.75
    assert found["lengthRatio"].value == 3


def test_much_shorter_chosen_answers_are_noticed_too() -> None:
    """The factor is the same whichever is longer."""
    found = looked(LengthProbe(), [pair("q", "x" * 10, "x" * 40)])

    assert (found["longerChosen"].count, found["lengthRatio"].value) == (0, 4)


def test_unpaired_lengths_are_measured_and_not_compared() -> None:
    """One answer has nothing to be longer than."""
    probe = LengthProbe()
    found = looked(probe, [answer("Aha."), answer("No.", good=False)])

    assert {measure.not_checked for measure in found.values()} == {"the data are no pairs"}
    assert [(row.part, row.count) for row in probe.table.rows()] == [("Prompt", 2), ("Answer", 2)]
    assert probe.table.median("Chosen") == 0


def test_percentiles_are_lengths_that_occur() -> None:
    """Nearest rank: 95 of 100 texts are at most as long as the 95th."""
    table = LengthTable("Tokens")
    for length in range(1, 101):
        table.note("Prompt", length)
    (row,) = table.rows()

    assert (row.p5, row.p50, row.p95, row.p99, row.longest) == (5, 50, 95, 99, 100)
    assert row.mean == 50.5
    assert percentiles({7: 1}, (0.05, 0.99)) == [7, 7]


def test_labels_are_counted() -> None:
    """The share of the commoner label is what counts."""
    found = looked(LabelProbe(None), [answer("a")] * 9 + [answer("b", good=False)])

    assert found["labelImbalance"].compared == 0.9
    assert found["labelImbalance"].statement == "9 answers are labelled good and 1 bad"
    assert found["ktoWeights"].not_checked == "the job sets no weights for KTO"


@pytest.mark.parametrize(
    ("good_weight", "is_fine"), [(0.3, False), (0.5, True), (0.66, True), (0.7, False)]
)
def test_weights_of_kto_are_held_against_the_paper(good_weight: float, is_fine: bool) -> None:
    """With twice as many good answers a weight of 0.5 to 0.67 balances them (equation 8)."""
    kto = KtoSpec(desirable_weight=good_weight, undesirable_weight=1)
    rows = [answer("a")] * 20 + [answer("b", good=False)] * 10

    measure = looked(LabelProbe(kto), rows)["ktoWeights"]

    assert (measure.count == 0) == is_fine
    assert measure.statement is not None
    assert "desirableWeight 0.5 with undesirableWeight 1" in measure.statement


def test_pairs_are_balanced_by_themselves() -> None:
    """A pair has one answer of each label, so only the weights can be off."""
    kto = KtoSpec(desirable_weight=4, undesirable_weight=1)
    found = looked(LabelProbe(kto), [pair("q")])

    assert found["labelImbalance"].not_checked == "the data are pairs"
    assert found["ktoWeights"].count == 2


def test_weights_without_bad_answers() -> None:
    """All answers being good is an imbalance, not a division by zero."""
    kto = KtoSpec(desirable_weight=1, undesirable_weight=1)
    found = looked(LabelProbe(kto), [answer("a")] * 3)

    assert found["labelImbalance"].compared == 1
    assert found["ktoWeights"].count == 3


@pytest.mark.parametrize(
    ("members", "paired", "steps"),
    [
        ({}, True, 13),
        ({"training": {"epochs": 2.0}}, True, 25),
        ({"training": {"batchSize": 16}}, True, 7),
        ({"training": {"maxSteps": 5}}, True, 5),
        ({"method": {"type": "KTO"}}, True, 25),
        ({"method": {"type": "KTO"}}, False, 13),
    ],
)
def test_steps_of_a_run(members: dict[str, object], paired: bool, steps: int) -> None:
    """A hundred examples in batches of eight; KTO takes a pair for two examples."""
    spec = PreferenceTrainingJobSpec.parse({**MINIMAL, **members})

    assert size.steps_of(100, spec, paired=paired) == steps


def test_a_sample_is_bounded_and_every_example_has_its_chance() -> None:
    """Ten of a thousand, not the first ten, and the same each time."""
    first, second = Sample[int](10), Sample[int](10)
    for number in range(1000):
        first.offer(number)
        second.offer(number)

    assert len(first.items) == 10
    assert max(first.items) > 500
    assert first.items == second.items
