"""Makes text of a model or a data set safe to look at: what cannot be seen is shown. Pure.

Escaping markup is the template's part. This is about characters that are no markup and still
change what a reader sees: control characters, and marks that turn the direction of text around.
"""

import unicodedata
from typing import Final

_KEPT: Final = frozenset("\n\t")


def visible(text: str) -> str:
    """The text with its control characters and direction marks written out."""
    return "".join(_shown(character) for character in text.replace("\r\n", "\n"))


def _shown(character: str) -> str:
    if character in _KEPT:
        return character
    category = unicodedata.category(character)
    # Other controls, marks that reorder text or join letters, halves of a character pair,
    # line breaks of other sorts, and characters that mean nothing outside of a program.
    if category in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") and character not in _JOINERS:
        return f"⟨U+{ord(character):04X}⟩"
    return character


_JOINERS: Final = frozenset("\u200c\u200d")
"""Needed to spell Persian and Indic words and to compose emoji."""
