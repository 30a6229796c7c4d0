"""Tokenizing pairs: what is left out, and when that is too much."""

from pathlib import Path
from typing import Any

import pytest

from preftrain_api.spec import DatasetSpec
from preftrain_api.spec.audit import AuditSpec
from preftrain_trainer.data.pairs import LabelledAnswer, Message, PreferencePair
from preftrain_trainer.data.prompts import prompt_ids
from preftrain_trainer.data.tokens import (
    Tokenization,
    answer_as_conversation,
    as_conversation,
    tokenization_of,
)
from preftrain_trainer.errors import DataRefused, ModelUnavailable
from support.shapes import assistant, user

END = 0


class Letters:
    """A tokenizer without chat template: one token a letter."""

    chat_template: str | None = None
    eos_token_id = END

    def __call__(self, texts: list[str], **_: Any) -> dict[str, list[list[int]]]:
        return {"input_ids": [[ord(letter) for letter in text] for text in texts]}


def tokenization(**audit: Any) -> Tokenization:
    return Tokenization(Letters(), frozenset({END}), 10, AuditSpec.parse(audit))


def pairs(long: int, good: int) -> list[PreferencePair]:
    prompts = ["far too long a prompt"] * long + ["short"] * good
    return [PreferencePair(row, text, "yes", "no") for row, text in enumerate(prompts, start=1)]


def test_a_few_prompts_that_are_too_long_are_left_out() -> None:
    """The finding counts them and names the first row."""
    done = tokenization().tokenize(pairs(1, 19), conversational=False)

    assert len(done.examples) == 19
    (finding,) = done.findings
    assert (finding.name, finding.count) == ("promptTooLong", 1)
    assert "first in row 1" in finding.message


def test_a_threshold_of_zero_tolerates_none() -> None:
    """0 is a value, not the absence of one."""
    strict = tokenization(thresholds={"promptTooLong": 0})

    with pytest.raises(DataRefused, match=r"raise training\.maxLength"):
        strict.tokenize(pairs(1, 19), conversational=False)


def test_more_than_the_default_share_is_refused_unless_only_warned_of() -> None:
    """Above one in ten by default; `Warn` goes on with the rest."""
    with pytest.raises(DataRefused, match="5 of 20 pairs"):
        tokenization().tokenize(pairs(5, 15), conversational=False)

    assert (
        len(tokenization(policy="Warn").tokenize(pairs(5, 15), conversational=False).examples) == 15
    )


def labelled(*prompts: str) -> list[LabelledAnswer]:
    return [
        LabelledAnswer(row, prompt, "yes", desirable=row % 2 == 0)
        for row, prompt in enumerate(prompts, start=1)
    ]


def test_labelled_answers_keep_their_labels_and_rows() -> None:
    """Also where some are left out; the finding speaks of answers."""
    lenient = tokenization(policy="Warn")
    done = lenient.tokenize_answers(labelled("one", "far too long a prompt", "two", "six"), False)

    assert [answer.desirable for answer in done.examples] == [False, False, True]
    assert tuple(done.rows) == (1, 3, 4)
    assert done.examples[0].answer == (*map(ord, "yes"), END)
    assert done.examples[0].length == 7
    assert done.findings[0].message.startswith("1 of 4 answers have a prompt of 10 tokens")


def test_answers_of_one_row_keep_their_own_labels() -> None:
    """A conversation may hold a good and a bad answer."""
    one_row = [LabelledAnswer(7, "one", "yes", True), LabelledAnswer(7, "two", "no", False)]
    done = tokenization().tokenize_answers(one_row, False)

    assert [answer.desirable for answer in done.examples] == [True, False]
    assert tuple(done.rows) == (7, 7)


def test_no_usable_answer_is_refused() -> None:
    """There would be nothing to train on."""
    with pytest.raises(DataRefused, match="none of the answers is left"):
        tokenization(policy="Warn").tokenize_answers(labelled("far too long a prompt"), False)


def test_a_pair_is_two_labelled_answers() -> None:
    """The chosen one is the desirable one."""
    (pair,) = tokenization().tokenize(pairs(0, 1), conversational=False).examples
    good, bad = pair.answers()
    assert (good.desirable, bad.desirable) == (True, False)
    assert (good.answer, bad.answer) == (pair.chosen, pair.rejected)
    assert good.prompt == bad.prompt == pair.prompt


class Turns(Letters):
    """A tokenizer with a template: a role's first letter, the content, an end."""

    chat_template = "yes"

    def __init__(self, end: int = END, opening: str = "a") -> None:
        self.end, self.opening = end, opening

    def apply_chat_template(
        self,
        talks: list[list[dict[str, str]]],
        *,
        tokenize: bool,
        return_dict: bool,
        add_generation_prompt: bool = False,
    ) -> dict[str, list[list[int]]]:
        assert tokenize
        assert return_dict
        return {
            "input_ids": [
                [
                    each
                    for turn in talk
                    for each in (*map(ord, turn["role"][0] + turn["content"]), self.end)
                ]
                + [ord(letter) for letter in self.opening if add_generation_prompt]
                for talk in talks
            ]
        }


def with_template(tokenizer: Turns, **audit: Any) -> Tokenization:
    return Tokenization(tokenizer, frozenset({END}), 10, AuditSpec.parse(audit))


def talk(row: int, chosen: str, rejected: str) -> PreferencePair:
    prompt, good, bad = (
        (Message(role=role, content=text),)
        for role, text in (("user", "p"), ("assistant", chosen), ("assistant", rejected))
    )
    return PreferencePair(row, prompt, good, bad)


TALKS = [talk(1, "y", "n"), talk(2, "yes", "no")]


def test_conversations_go_through_the_template() -> None:
    """The answer begins where the prompt ends, and plain text is a turn of the user."""
    done = with_template(Turns()).tokenize(TALKS, conversational=True)
    plain = with_template(Turns()).tokenize([PreferencePair(9, "p", "yes", "no")], False)

    assert done.rendering == plain.rendering == "ChatTemplate"
    assert done.examples[1].prompt == (*map(ord, "up"), END, ord("a"))
    assert done.examples[1].chosen == (*map(ord, "yes"), END)
    assert plain.examples[0] == done.examples[1]
    assert plain.examples[0].length == 8


def test_a_template_that_renders_the_prompt_in_another_way_is_refused() -> None:
    """Whatever the policy, because training would teach another context."""
    for opening in ("ax", "x"):
        with pytest.raises(ModelUnavailable, match="renders differently once an answer follows"):
            with_template(Turns(opening=opening), policy="Warn").tokenize(TALKS, True)


def test_a_prompt_that_is_longer_than_the_whole_is_none() -> None:
    """As with templates that write more before an answer than around one."""
    with pytest.raises(ModelUnavailable, match="2 of 2 pairs"):
        with_template(Turns(opening="ayesyesyes")).tokenize(TALKS, conversational=True)


def test_a_template_without_an_end_is_refused() -> None:
    """The model would never learn to stop."""
    with pytest.raises(ModelUnavailable, match=r"2 of 2 pairs .* end-of-sequence token"):
        with_template(Turns(end=7)).tokenize(TALKS, conversational=True)


def test_answers_that_differ_behind_the_cut_are_left_out() -> None:
    """They would train with a loss of exactly ln 2."""
    same = PreferencePair(3, "p", "123456789x", "123456789y")

    done = tokenization(policy="Warn").tokenize([same, PreferencePair(4, "p", "a", "b")], False)

    assert [finding.name for finding in done.findings] == ["identicalAfterTruncation"]
    assert tuple(done.rows) == (4,)


def test_conversations_need_a_template() -> None:
    """There is no other way to tell turns apart."""
    with pytest.raises(ModelUnavailable, match="no chat template; use an instruction-tuned model"):
        tokenization().tokenize(TALKS, conversational=True)


def test_a_run_brings_its_policy_and_its_folder(tmp_path: Path) -> None:
    """As the spec says, or the default."""
    plain = DatasetSpec.parse({"uri": "hf://some/set"})
    warned = DatasetSpec.parse({"uri": "hf://some/set", "audit": {"policy": "Warn"}})

    found = [tokenization_of(Letters(), [END], 10, spec, tmp_path) for spec in (plain, warned)]

    assert [each.audit.policy for each in found] == ["Enforce", "Warn"]
    assert {each.scratch for each in found} == {tmp_path}


def test_examples_are_shown_to_the_library_as_turns() -> None:
    """Plain text becomes one turn each."""
    plain = PreferencePair(1, "p", "y", "n")
    turns = [user("p")], [assistant("y")], [assistant("n")]
    assert as_conversation(plain) == as_conversation(TALKS[0]) == turns
    assert answer_as_conversation(LabelledAnswer(1, "p", "y", True)) == turns[:2]


def test_a_prompt_alone_is_what_stands_before_an_answer() -> None:
    """With the beginning of the assistant's turn, where there is a template."""
    rendered = [*map(ord, "up"), END, ord("a")]
    assert prompt_ids(Letters(), "p") == [ord("p")]
    assert prompt_ids(Turns(), "p") == prompt_ids(Turns(), TALKS[0].prompt) == rendered
