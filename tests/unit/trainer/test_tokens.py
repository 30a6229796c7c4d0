"""Tokenizing pairs: what is left out, and when that is too much."""

from typing import Any

import pytest

from preftrain_api.spec.audit import AuditSpec
from preftrain_trainer.data.pairs import LabelledAnswer, PreferencePair
from preftrain_trainer.data.tokens import Tokenization
from preftrain_trainer.errors import DataRefused

END = 0


class Letters:
    """A tokenizer without chat template: one token a letter."""

    chat_template = None
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
