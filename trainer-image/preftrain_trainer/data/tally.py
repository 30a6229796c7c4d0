"""Counts what reading left out, by reason, with the places of the first few rows.

Reading counts, the audit judges the counts.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

DropReason = Literal[
    "malformed",
    "identicalPairs",
    "duplicates",
    "contradictions",
    "ties",
    "singleAnswers",
    "evalOverlap",
    "filtered",
]
"""Why a row was left out; the first four are also names of thresholds or findings.

    malformed       cannot be read, or a part is missing, mistyped or empty
    identicalPairs  both answers are the same
    duplicates      an earlier row has the same prompt and the same answers
    contradictions  another row says the opposite of the same answers; both are left out
    ties            the answers are rated alike, so neither is preferred
    singleAnswers   rated answers without another one of the same prompt
    evalOverlap     held out by dataset.evalSplit, but with a prompt that is trained on
    filtered        a rule of dataset.filters applies
"""

_EXAMPLES: Final = 3
_EXAMPLE_CHARACTERS: Final = 160
_AUTHORS: Final = 1000
"""Models that are told apart; a column with more names something else."""


@dataclass(slots=True)
class Count:
    """How many rows a check concerns, with the places of the first few."""

    rows: int = 0
    examples: list[str] = field(default_factory=list)
    rule: str = ""
    """Which of dataset.filters they fell to."""

    def note(self, example: str) -> None:
        """Count one row."""
        self.rows += 1
        if len(self.examples) < _EXAMPLES:
            self.examples.append(example[:_EXAMPLE_CHARACTERS])


@dataclass(slots=True)
class Authors:
    """Which models wrote the answers of pairs, in sets that say it."""

    pairs: int = 0
    """Pairs for which both are known."""
    preferred: Counter[str] = field(default_factory=Counter)
    """Of pairs with two different ones: who wrote the chosen answer."""

    def note(self, chosen: str, rejected: str) -> None:
        """Count one pair."""
        self.pairs += 1
        if chosen != rejected and (chosen in self.preferred or len(self.preferred) < _AUTHORS):
            self.preferred[chosen] += 1


def _no_drops() -> dict[DropReason, Count]:
    return {reason: Count() for reason in get_args(DropReason)}


@dataclass(slots=True)
class Tally:
    """What reading found."""

    rows: int = 0
    dropped: dict[DropReason, Count] = field(default_factory=_no_drops)
    authors: Authors = field(default_factory=Authors)
    filtered: list[Count] = field(default_factory=list)
    """What each rule of dataset.filters left out, in their order; in all, `dropped` has it."""

    def drop(self, reason: DropReason, example: str) -> None:
        """Count one row that is left out."""
        self.dropped[reason].note(example)

    def drop_by_rule(self, rule: int, example: str) -> None:
        """Count one row that the rule of this index in dataset.filters leaves out."""
        self.filtered[rule].note(example)
        self.drop("filtered", f"{example}: dataset.filters[{rule}]")

    @property
    def dropped_rows(self) -> int:
        """Rows that are left out, whatever the reason."""
        return sum(count.rows for count in self.dropped.values())
