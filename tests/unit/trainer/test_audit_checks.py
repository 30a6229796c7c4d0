"""Each family of checks: what it counts, and what it does not."""

from collections.abc import Sequence

import pytest

from preftrain_api.spec import KtoSpec, PreferenceTrainingJobSpec
from preftrain_trainer.audit import languages, size
from preftrain_trainer.audit.check import EXAMPLES, Measure, Probe
from preftrain_trainer.audit.disclosure import DisclosureProbe
from preftrain_trainer.audit.labels import LabelProbe
from preftrain_trainer.audit.leakage import LeakageProbe
from preftrain_trainer.audit.lengths import LengthProbe, LengthTable, percentiles
from preftrain_trainer.audit.likeness import LikenessProbe
from preftrain_trainer.audit.prompts import PromptProbe
from preftrain_trainer.audit.sample import Sample
from preftrain_trainer.audit.scripts import ScriptProbe, script_of
from preftrain_trainer.audit.seen import Seen, seen
from preftrain_trainer.audit.verifiable import VerifiableProbe, form_of
from preftrain_trainer.data.pairs import LabelledAnswer, Message, PreferencePair
from support.spec_cases import MINIMAL

ENGLISH = "The river rises in the hills and flows through three towns before it meets the sea."
GERMAN = "Der Fluss entspringt in den Bergen und durchquert drei Städte, bis er ins Meer fließt."
RUSSIAN = "Река берёт начало в горах и протекает через три города, прежде чем впасть в море."


def pair(prompt: str, chosen: str = "Yes.", rejected: str = "No.", row: int = 1) -> Seen:
    return seen(PreferencePair(row, prompt, chosen, rejected))


def answer(text: str, good: bool = True, row: int = 1) -> Seen:
    return seen(LabelledAnswer(row, "Well?", text, good))


def looked(probe: Probe, examples: Sequence[Seen]) -> dict[str, Measure]:
    for example in examples:
        probe.look(example)
    return {measure.check.name: measure for measure in probe.measures()}


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


def test_answers_that_are_nearly_the_same() -> None:
    """One letter in forty is near, one in ten is not."""
    rows = [pair("q", "a" * 40, "a" * 39 + "b", 1), pair("q", "a" * 10, "a" * 9 + "b", 2)]

    measure = looked(LikenessProbe(0.05), rows)["nearIdenticalPairs"]

    assert (measure.count, measure.of, measure.examples) == (1, 2, ("row 1",))
    assert looked(LikenessProbe(0.05), [answer("a")])["nearIdenticalPairs"].not_checked


QUESTION = "What is the capital of France?"


@pytest.mark.parametrize(
    ("example", "name"),
    [
        (pair(QUESTION, f" {QUESTION} Paris."), "promptEcho"),
        (pair("q", "Paris.\n\nHuman: And of Spain?"), "roleMarkers"),
        (pair("q", "fine", "### Response: no"), "roleMarkers"),
        (pair("q", "Paris.<|im_end|>"), "templateTokens"),
        (pair("[INST] hello [/INST]"), "templateTokens"),
        (pair("q", "Paris.</s>"), "templateTokens"),
    ],
)
def test_traces_of_prompts_and_templates(example: Seen, name: str) -> None:
    """Each is found, and by its own check alone."""
    found = looked(LeakageProbe(), [example, pair("q")])

    assert {check: measure.count for check, measure in found.items()} == {
        "promptEcho": 0,
        "roleMarkers": 0,
        "templateTokens": 0,
        name: 1,
    }


@pytest.mark.parametrize(
    "example",
    [
        pair("Hi", "Hi there."),
        pair("q", "The user: whoever uses it. Human: homo sapiens."),
        pair("q", "x < y and a[0] > 1, or <b>bold</b>, <s>struck</s> out"),
        answer(f"{QUESTION} asked nobody", good=False),
    ],
)
def test_what_only_looks_like_a_trace(example: Seen) -> None:
    """Greetings, colons and brackets are ordinary text."""
    assert all(not measure.count for measure in looked(LeakageProbe(), [example]).values())


@pytest.mark.parametrize(
    ("text", "script"),
    [
        (ENGLISH, "Latin"),
        (RUSSIAN, "Cyrillic"),
        ("私は毎朝コーヒーを飲みます。", "Han or Kana"),
        ("나는 매일 아침 커피를 마신다.", "Hangul"),
        ("أشرب القهوة كل صباح.", "Arabic"),
        ("Πίνω καφέ κάθε πρωί.", "Greek"),
        (f"{RUSSIAN[:30]} ```print('hello world, this is code')```", "Cyrillic"),
        ("42 + 1 = 43", None),
    ],
)
def test_the_script_of_a_text(text: str, script: str | None) -> None:
    """Code does not count, and too few letters tell nothing."""
    assert script_of(text) == script


def test_answers_in_another_script() -> None:
    """Only what can be told is counted."""
    rows = [
        pair(RUSSIAN, ENGLISH, row=1),
        pair(RUSSIAN, RUSSIAN, row=2),
        pair(ENGLISH, ENGLISH, row=3),
        pair("2 × 2", "4 €", row=4),
        answer(ENGLISH, good=False),
    ]

    measure = looked(ScriptProbe(), rows)["scriptMismatch"]

    assert (measure.count, measure.of, measure.examples) == (1, 3, ("row 1",))


def test_answers_in_another_language() -> None:
    """English and German share a script; short texts and bad answers are not judged."""
    rows = [
        pair(ENGLISH, GERMAN, row=1),
        pair(ENGLISH, ENGLISH, row=2),
        pair("Why?", GERMAN, row=3),
        seen(LabelledAnswer(4, ENGLISH, GERMAN, False)),
    ]

    (measure,) = languages.measures(rows)

    assert (measure.count, measure.of, measure.examples) == (1, 2, ("row 1",))


def test_no_language_can_be_told() -> None:
    """Then the check says that it was not made."""
    (measure,) = languages.measures([pair("Why?")])

    assert measure.not_checked == "no example is long enough to tell its language"


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


AWS = "AKIA" + "ABCDEFGHIJKLMNOP"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"use {AWS} here", "AWS access key"),
        ("-----BEGIN RSA PRIVATE KEY-----", "private key"),
        ("ghp_" + "a1" * 18, "GitHub token"),
        ("hf_" + "a" * 34, "Hugging Face token"),
        ("sk-" + "a1b2" * 8, "API key"),
        ("xoxb-" + "1234567890", "Slack token"),
        ("AIza" + "a" * 35, "Google key"),
        ("eyJ" + "a" * 10 + ".eyJ" + "b" * 10 + "." + "c" * 10, "JSON web token"),
    ],
)
def test_keys_are_noticed_and_never_shown(text: str, says: str) -> None:
    """The finding has the kind and the row, and nothing of the text."""
    found = looked(DisclosureProbe(), [pair("q", text, row=5)])

    measure = found["secrets"]
    assert (measure.count, measure.examples) == (1, ("row 5",))
    assert measure.statement is not None
    assert f"{says} in 1" in measure.statement
    assert text not in measure.statement
    assert not found["personalData"].count


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("write to jane.doe@company.org", "e-mail address"),
        ("4111 1111 1111 1111 is mine", "card number"),
        ("my number is 078-05-1120", "social security number"),
        ("call +44 20 7946 0958", "phone number"),
        ("pay to DE89 3704 0044 0532 0130 00", "IBAN"),
    ],
)
def test_personal_data_are_noticed(text: str, says: str) -> None:
    """Each by its kind."""
    found = looked(DisclosureProbe(), [pair("q", text)])

    statement = found["personalData"].statement
    assert statement is not None
    assert f"{says} in 1" in statement
    assert not found["secrets"].count


@pytest.mark.parametrize(
    "text",
    [
        "write to someone@example.com",
        "4111 1111 1111 1112 has a wrong check digit",
        "3.14159265358979323846",
        "the risk-averse task-force; a sk-eleton in the cupboard",
        "version 10.0.0-12-2024, pages 100-200",
    ],
)
def test_what_only_looks_personal(text: str) -> None:
    """Examples of the standards, numbers and words are no disclosures."""
    found = looked(DisclosureProbe(), [pair("q", text)])

    assert [measure.count for measure in found.values()] == [0, 0]


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ('{"a": [1, 2]}', "JSON"),
        ("{not json}", None),
        ("[" * 100_000 + "]" * 100_000, None),
        ("Use this:\n```python\nprint(1)\n```", "code"),
        ("6 * 7 = 42\n#### 42", "final number"),
        (r"Therefore \boxed{42}.", "final number"),
        ("So the answer is $1,250.", "final number"),
        ("The answer is that nobody knows.", None),
        ("I paid 42 euros and went home.", None),
    ],
)
def test_answers_that_a_program_could_verify(text: str, form: str | None) -> None:
    """Numbers count only where they are the result."""
    assert form_of(text) == form


def test_verifiable_answers_are_listed_by_form() -> None:
    """Bad answers are not what is learnt."""
    rows = [answer("#### 1"), answer("#### 2"), answer("no"), answer("#### 3", good=False)]

    measure = looked(VerifiableProbe(), rows)["verifiableAnswers"]

    assert (measure.count, measure.of) == (2, 3)
    assert measure.statement is not None
    assert "final number in 2" in measure.statement
    assert looked(VerifiableProbe(), [answer("no")])["verifiableAnswers"].statement is None


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


def test_a_check_names_a_few_rows_only() -> None:
    """However many there are."""
    rows = [pair("q", "a" * 40, "a" * 39 + "b", row) for row in range(50)]

    measure = looked(LikenessProbe(0.05), rows)["nearIdenticalPairs"]

    assert (measure.count, len(measure.examples)) == (50, EXAMPLES)
