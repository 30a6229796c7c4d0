"""Answers in another script than their prompt."""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from typing import Final

from preftrain_trainer.audit.check import Check, Hits, Measure
from preftrain_trainer.audit.seen import Seen

SCRIPT_MISMATCH: Final = Check(
    "scriptMismatch",
    "have a good answer in another script than the prompt",
    "check that prompts and answers belong together",
    "Warn",
    "ours",
    "script_mismatch",
)
CHECKS: Final = (SCRIPT_MISMATCH,)

_LOOK_CHARACTERS: Final = 400
"""The beginning of a text tells its script."""
_FEWEST_LETTERS: Final = 10

_BLOCKS: Final = (
    (0x0041, "Latin"),
    (0x0370, "Greek"),
    (0x0400, "Cyrillic"),
    (0x0530, "Armenian"),
    (0x0590, "Hebrew"),
    (0x0600, "Arabic"),
    (0x0780, "other"),
    (0x0900, "Devanagari"),
    (0x0980, "Bengali"),
    (0x0A00, "other"),
    (0x0B80, "Tamil"),
    (0x0C00, "Telugu"),
    (0x0C80, "other"),
    (0x0E00, "Thai"),
    (0x0E80, "other"),
    (0x10A0, "Georgian"),
    (0x1100, "Hangul"),
    (0x1200, "other"),
    (0x1E00, "Latin"),
    (0x1F00, "Greek"),
    (0x2000, "other"),
    (0x3040, "Han or Kana"),
    (0x3130, "Hangul"),
    (0x3190, "Han or Kana"),
    (0xA000, "other"),
    (0xAC00, "Hangul"),
    (0xD800, "other"),
    (0xF900, "Han or Kana"),
    (0xFB00, "other"),
    (0xFF21, "Latin"),
    (0xFF66, "Han or Kana"),
    (0xFFA0, "Hangul"),
    (0xFFDD, "other"),
    (0x20000, "Han or Kana"),
    (0x32000, "other"),
)
"""First code point of each run of blocks (Unicode 16, Blocks.txt). Han and Kana are one, since
Japanese mixes them."""
_STARTS: Final = tuple(start for start, _ in _BLOCKS)
_CODE: Final = re.compile(r"```.*?(?:```|\Z)|https?://\S+", re.DOTALL)


class ScriptProbe:
    """Compares the script of the good answer with the prompt's."""

    def __init__(self) -> None:
        self._total = 0
        self._other = Hits()

    def look(self, seen: Seen) -> None:
        """Compare one example, where both texts have letters enough to tell."""
        if seen.good is None:
            return
        if seen.good.isascii() and seen.question.isascii():
            # Both Latin; the usual case, and much the fastest to know.
            self._total += 1
            return
        asked, answered = script_of(seen.question), script_of(seen.good)
        if asked is None or answered is None:
            return
        self._total += 1
        if asked != answered:
            self._other.note(seen.row)

    def measures(self) -> Iterator[Measure]:
        """The share of answers in another script."""
        yield self._other.measure(SCRIPT_MISMATCH, self._total)


def script_of(text: str) -> str | None:
    """The commonest script of the text's letters outside of code; None when they are too few."""
    start = text[:_LOOK_CHARACTERS]
    letters = [letter for letter in prose(start) if letter.isalpha()]
    if len(letters) < _FEWEST_LETTERS:
        return None
    counts = Counter(_BLOCKS[bisect_right(_STARTS, ord(letter)) - 1][1] for letter in letters)
    return counts.most_common(1)[0][0]


def prose(text: str) -> str:
    """The text without blocks of code and addresses, which are Latin in every language."""
    return _CODE.sub(" ", text) if "```" in text or "://" in text else text
