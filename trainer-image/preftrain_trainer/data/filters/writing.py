"""Script and Language: what the texts are written in."""

from collections import Counter
from collections.abc import Iterable
from functools import cache
from typing import Final

import pyarrow
import pyarrow.compute
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from preftrain_api.spec.filters import LanguageFilter, ScriptFilter
from preftrain_trainer.data.filters.texts import Drops, each, plain, texts
from preftrain_trainer.data.pairs import Example
from preftrain_trainer.errors import BadSpec

SHORTEST_CHARACTERS: Final = 40
"""Shorter texts are not judged. Of the English turns of HH (harmless-base, test), py3langid 0.4.0
called 12 % of those with 10 to 19 characters, 1 % with 30 to 39 and 0.1 % with 40 to 49 another
language (2026-11)."""
_LONGEST_CHARACTERS: Final = 256
"""More makes the guess slower and no better: of the 3,710 turns there with 110 to 199 characters
none was called another language."""


def script_filter(rule: ScriptFilter) -> Drops:
    """Which examples are left out for letters of other scripts."""
    allowed = _Letters(rule.allowed)
    return each(
        lambda example: any(
            allowed.share(plain(text)) < rule.min_share for text in texts(example, rule.within)
        )
    )


class _Letters:
    """Tells letters of some scripts from others; each letter is looked up once."""

    def __init__(self, scripts: Iterable[str]) -> None:
        self._pattern = "^[" + "".join(rf"\p{{{script}}}" for script in scripts) + "]$"
        self._known: dict[str, bool] = {}

    def share(self, text: str) -> float:
        """Share of the letters of a text that belong to the scripts; 1 without letters."""
        counts = {letter: count for letter, count in Counter(text).items() if letter.isalpha()}
        new = [letter for letter in counts if letter not in self._known]
        if new:
            found = pyarrow.compute.match_substring_regex(pyarrow.array(new), self._pattern)
            self._known.update(zip(new, found.to_pylist(), strict=True))
        inside = sum(count for letter, count in counts.items() if self._known[letter])
        return inside / sum(counts.values()) if counts else 1.0


@cache
def _identifier() -> LanguageIdentifier:
    """One of our own: the library's can be narrowed down by whoever else uses it."""
    return LanguageIdentifier.from_model_file(MODEL_FILE)


def language_filter(rule: LanguageFilter, field: str) -> Drops:
    """Which examples are left out for seeming to be in another language.

    Raises:
        BadSpec: a language that cannot be told; `field` is the rule's name.
    """
    identifier = _identifier()
    known = frozenset(identifier.labels)
    for language in rule.allowed:
        if language not in known:
            raise BadSpec(
                f"{field}.language.allowed: {language} is not among the languages that can be "
                f"told: {', '.join(sorted(known))}"
            )
    allowed = frozenset(rule.allowed)

    def drops(example: Example) -> bool:
        for text in texts(example, rule.within):
            words = plain(text)
            if len(words) < SHORTEST_CHARACTERS:
                continue
            if identifier.classify(words[:_LONGEST_CHARACTERS])[0] not in allowed:
                return True
        return False

    return each(drops)
