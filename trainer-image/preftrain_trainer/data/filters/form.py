"""Length and Format: how long the texts are, and whether they are well formed."""

import re
from collections.abc import Callable
from typing import Final

from preftrain_api.spec.filters import FormatFilter, LengthFilter, Requirement
from preftrain_trainer.data.filters.texts import Drops, characters, each, plain, texts
from preftrain_trainer.data.pairs import Example, PreferencePair, Text

_WRONGLY_DECODED: Final = re.compile("[\ufffd\ufffe\uffff\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x9f]")
"""The replacement character, noncharacters, and control characters but tab and line ends."""
_SENTENCE_END: Final = re.compile(
    r"""[.!?…:;。．！？｡।॥۔؟։።๏]   # ends of sentences in many scripts
        [\s"'”’»«“)\]}>*_`）」』】〉》]*\Z
      | ```\s*\Z | [|$)\]}>]\s*\Z | [\U0001F300-\U0001FAFF☺❤]\ufe0f?\s*\Z""",
    re.VERBOSE,
)
"""Punctuation, closing quotes after it, a closed code block, table, formula or tag, an emoji."""


def length_filter(rule: LengthFilter) -> Drops:
    """Which examples are left out for being too short, too long or too uneven."""
    low = rule.min_characters or 0
    high = rule.max_characters

    def drops(example: Example) -> bool:
        for text in texts(example, rule.within):
            size = characters(text)
            if size < low or (high is not None and size > high):
                return True
        if rule.max_ratio is None or not isinstance(example, PreferencePair):
            return False
        shorter, longer = sorted((characters(example.chosen), characters(example.rejected)))
        return longer > rule.max_ratio * shorter

    return each(drops)


def format_filter(rule: FormatFilter) -> Drops:
    """Which examples are left out for lacking one of the required properties."""
    checks = [_MISSING[requirement] for requirement in rule.require]
    return each(lambda example: any(check(example) for check in checks))


def _has_empty_turn(example: Example) -> bool:
    return any(not content.strip() for text in texts(example, "Any") for content in _contents(text))


def _is_wrongly_decoded(example: Example) -> bool:
    return any(_WRONGLY_DECODED.search(plain(text)) for text in texts(example, "Any"))


def _is_cut_off(example: Example) -> bool:
    return any(
        not _SENTENCE_END.search(_contents(text)[-1][-64:]) for text in texts(example, "Answers")
    )


def _contents(text: Text) -> list[str]:
    return [text] if isinstance(text, str) else [turn["content"] for turn in text]


_MISSING: Final[dict[Requirement, Callable[[Example], bool]]] = {
    "NonEmpty": _has_empty_turn,
    "ValidUnicode": _is_wrongly_decoded,
    "EndsWithPunctuation": _is_cut_off,
}
