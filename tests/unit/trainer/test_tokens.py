"""Tokenizing pairs: what is left out, and when that is too much."""

from typing import Any

import pytest

from preftrain_api.spec.audit import AuditSpec
from preftrain_trainer.data.pairs import PreferencePair
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

    assert len(done.pairs) == 19
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

    assert len(tokenization(policy="Warn").tokenize(pairs(5, 15), conversational=False).pairs) == 15
