"""Answers whose correctness a program could verify: final numbers, code, JSON."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Final, Literal

from preftrain_trainer.audit.check import Check, Measure
from preftrain_trainer.audit.seen import Seen

VERIFIABLE: Final = Check(
    "verifiableAnswers",
    "have a good answer that a program could verify",
    "see what `preftrain advise` says of methods that learn from such a verdict",
    "Report",
    "ours",
)
CHECKS: Final = (VERIFIABLE,)

Form = Literal["final number", "code", "JSON"]

_FINAL: Final = re.compile(
    r"####\s*-?[\d.,]+|\\boxed\{|(?:final )?answer(?: is|:)\s*\$?-?\d[\d.,]*\W*\Z", re.IGNORECASE
)
_END_CHARACTERS: Final = 200
"""A final number stands at the end."""


class VerifiableProbe:
    """Counts good answers by form."""

    def __init__(self) -> None:
        self.forms: Counter[Form] = Counter()
        self._good = 0

    def look(self, seen: Seen) -> None:
        """Look at one answer."""
        if seen.good is None:
            return
        self._good += 1
        form = form_of(seen.good)
        if form is not None:
            self.forms[form] += 1

    def measures(self) -> Iterator[Measure]:
        """The share, with the forms in words."""
        count = self.forms.total()
        listed = ", ".join(f"{name} in {number}" for name, number in self.forms.most_common())
        statement = (
            f"{count} of {self._good} good answers ({count / self._good:.1%}) could be verified by "
            f"a program: {listed}"
            if count
            else None
        )
        yield Measure(VERIFIABLE, count, self._good, statement=statement)


def form_of(answer: str) -> Form | None:
    """In which form the answer could be verified; None when in none."""
    text = answer.strip()
    if text[:1] in "{[" and text[-1:] in "}]":
        try:
            json.loads(text)
        except (ValueError, RecursionError):
            pass
        else:
            return "JSON"
    if "```" in text:
        return "code"
    return "final number" if _FINAL.search(text[-_END_CHARACTERS:]) else None
