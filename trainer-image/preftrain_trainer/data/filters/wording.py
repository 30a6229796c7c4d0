"""Keyword and RegularExpression: what occurs in the texts.

Both are searched by RE2, which Arrow brings along: its time is linear in the text whatever the
expression is, so that no pattern and no row can hold a run up.
"""

import re
from collections.abc import Sequence
from functools import partial
from itertools import islice
from typing import Final

import pyarrow
import pyarrow.compute

from preftrain_api.spec.filters import KeywordFilter, RegularExpressionFilter, Within
from preftrain_trainer.data.filters.texts import Drops, plain, texts
from preftrain_trainer.data.pairs import Example
from preftrain_trainer.errors import BadSpec

_LETTER: Final = r"\pL\pN\pM_"
_UNSPACED: Final = re.compile(
    "[\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uf900-\ufaff]"
)
"""Letters of scripts that set no spaces between words: Thai, Lao, Tibetan, Burmese, Khmer,
Chinese and Japanese; there a keyword may stand anywhere."""


def keyword_filter(rule: KeywordFilter) -> Drops:
    """Which examples are left out for one of the words."""
    alternatives: dict[tuple[str, str], list[str]] = {}
    for word in rule.words:
        edges = (
            "" if _stands_anywhere(word[0]) else f"(?:^|[^{_LETTER}])",
            "" if _stands_anywhere(word[-1]) else f"(?:$|[^{_LETTER}])",
        )
        alternatives.setdefault(edges, []).append(_escaped(word))
    pattern = "|".join(
        f"{before}(?i:{'|'.join(words)}){after}" for (before, after), words in alternatives.items()
    )
    return partial(_occurs, pattern, rule.within)


def _stands_anywhere(edge: str) -> bool:
    return not edge.isalnum() or _UNSPACED.match(edge) is not None


def _escaped(word: str) -> str:
    return "".join(letter if letter.isalnum() else rf"\x{{{ord(letter):x}}}" for letter in word)


def expression_filter(rule: RegularExpressionFilter, field: str) -> Drops:
    """Which examples are left out for matching, or for not matching.

    Raises:
        BadSpec: the pattern is no expression; `field` is the rule's name.
    """
    try:
        _matches(rule.pattern, [""])
    except pyarrow.ArrowInvalid as error:
        raise BadSpec(
            f"{field}.regularExpression.pattern is no RE2 expression ({error}); correct it, "
            "without backreferences and lookaround"
        ) from error
    if rule.rows == "Drop":
        return partial(_occurs, rule.pattern, rule.within)
    return lambda examples: [not found for found in _occurs(rule.pattern, rule.within, examples)]


def _occurs(pattern: str, within: Within, examples: Sequence[Example]) -> list[bool]:
    """Whether the pattern occurs in each example; it is compiled once a call."""
    parts = [[plain(text) for text in texts(example, within)] for example in examples]
    found = iter(_matches(pattern, [text for group in parts for text in group]))
    return [any(list(islice(found, len(group)))) for group in parts]


def _matches(pattern: str, strings: Sequence[str]) -> list[bool]:
    found: list[bool] = pyarrow.compute.match_substring_regex(
        pyarrow.array(strings, pyarrow.large_string()), pattern
    ).to_pylist()
    return found
