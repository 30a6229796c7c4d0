"""Checks that read texts: what each finds in them, and what only looks like it."""

import pytest

from preftrain_trainer.audit import languages
from preftrain_trainer.audit.check import EXAMPLES
from preftrain_trainer.audit.leakage import LeakageProbe
from preftrain_trainer.audit.likeness import LikenessProbe
from preftrain_trainer.audit.scripts import ScriptProbe, script_of
from preftrain_trainer.audit.seen import Seen, seen
from preftrain_trainer.audit.verifiable import VerifiableProbe, form_of
from preftrain_trainer.data.pairs import LabelledAnswer
from support.audited import answer, looked, pair

ENGLISH = "The river rises in the hills and flows through three towns before it meets the sea."
GERMAN = "Der Fluss entspringt in den Bergen und durchquert drei Städte, bis er ins Meer fließt."
RUSSIAN = "Река берёт начало в горах и протекает через три города, прежде чем впасть в море."
QUESTION = "What is the capital of France?"


def test_answers_that_are_nearly_the_same() -> None:
    """One letter in forty is near, one in ten is not."""
    rows = [pair("q", "a" * 40, "a" * 39 + "b", 1), pair("q", "a" * 10, "a" * 9 + "b", 2)]

    measure = looked(LikenessProbe(0.05), rows)["nearIdenticalPairs"]

    assert (measure.count, measure.of, measure.examples) == (1, 2, ("row 1",))
    assert looked(LikenessProbe(0.05), [answer("a")])["nearIdenticalPairs"].not_checked


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


def test_a_check_names_a_few_rows_only() -> None:
    """However many there are."""
    rows = [pair("q", "a" * 40, "a" * 39 + "b", row) for row in range(50)]

    measure = looked(LikenessProbe(0.05), rows)["nearIdenticalPairs"]

    assert (measure.count, len(measure.examples)) == (50, EXAMPLES)
