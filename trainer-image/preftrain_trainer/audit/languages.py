"""Answers in another language than their prompt; looked for in a sample, since telling a
language costs a thousand times what the other checks do.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Final

from preftrain_trainer.audit.check import Check, Hits, Measure
from preftrain_trainer.audit.scripts import prose
from preftrain_trainer.audit.seen import Seen

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

LANGUAGE_MISMATCH: Final = Check(
    "languageMismatch",
    "have a good answer in another language than the prompt",
    "check that prompts and answers belong together",
    "Warn",
    "ours; judged where both texts are long and the identifier is sure",
    "language_mismatch",
    "sampled examples",
)
CHECKS: Final = (LANGUAGE_MISMATCH,)

_LOOK_CHARACTERS: Final = 400
_FEWEST_LETTERS: Final = 60
_SURE: Final = 0.95
"""Below this probability py3langid is wrong too often on short texts."""


def measures(sample: Sequence[Seen]) -> Iterator[Measure]:
    """The share of the sample whose answer is in another language."""
    other, total = Hits(), 0
    for seen in sample:
        asked = language_of(seen.question)
        answered = language_of(seen.good or "") if asked else None
        if asked and answered:
            total += 1
            if asked != answered:
                other.note(seen.row)
    if total:
        yield other.measure(LANGUAGE_MISMATCH, total)
    else:
        yield Measure(
            LANGUAGE_MISMATCH, 0, 0, not_checked="no example is long enough to tell its language"
        )


def language_of(text: str) -> str | None:
    """ISO 639-1 code of the text's language; None when it is short or the answer unsure."""
    start = prose(text[: 2 * _LOOK_CHARACTERS])[:_LOOK_CHARACTERS]
    if sum(map(str.isalpha, start)) < _FEWEST_LETTERS:
        return None
    language, probability = _identifier().classify(start)
    return str(language) if probability >= _SURE else None


@cache
def _identifier() -> "LanguageIdentifier":
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
