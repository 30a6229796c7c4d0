"""Duplicates: rows whose prompt was there before, give or take how it is written."""

import hashlib
import unicodedata
from collections import defaultdict

from preftrain_api.spec.filters import DuplicatesFilter
from preftrain_trainer.data.filters.texts import Drops, each, plain
from preftrain_trainer.data.pairs import Example


def duplicates_filter(rule: DuplicatesFilter) -> Drops:
    """Which examples are left out since enough rows of its prompt came before it.

    Remembers a hash of 16 bytes for each prompt.
    """
    seen: defaultdict[bytes, int] = defaultdict(int)

    def drops(example: Example) -> bool:
        words = normalized(plain(example.prompt))
        key = hashlib.blake2b(words.encode(), digest_size=16).digest()
        seen[key] += 1
        return seen[key] > rule.keep

    return each(drops)


def normalized(text: str) -> str:
    """The words of a text: compatible forms unified (NFKC), case folded, without punctuation
    and symbols, one space between them. A text of nothing else stays what it is.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    # Marks too: vowels of Devanagari and others are marks.
    words = "".join(
        letter if unicodedata.category(letter)[0] in "LNM" else " " for letter in folded
    ).split()
    return " ".join(words) or text
