"""Counts what reading left out, by reason, with the places of the first few rows.

Reading counts, the audit judges the counts.
"""

from dataclasses import dataclass, field
from typing import Final, Literal, get_args

DropReason = Literal["malformed", "identicalPairs", "duplicates", "contradictions", "filtered"]
"""Why a row was left out; the first four are also names of thresholds or findings."""

MALFORMED_SHARE: Final = 0.01
"""Default: one row in a hundred may be broken; more points at the wrong columns or form."""

_EXAMPLES: Final = 3
_EXAMPLE_CHARACTERS: Final = 160


@dataclass(slots=True)
class Count:
    """How many rows a check concerns, with the places of the first few."""

    rows: int = 0
    examples: list[str] = field(default_factory=list)

    def note(self, example: str) -> None:
        """Count one row."""
        self.rows += 1
        if len(self.examples) < _EXAMPLES:
            self.examples.append(example[:_EXAMPLE_CHARACTERS])


def _no_drops() -> dict[DropReason, Count]:
    return {reason: Count() for reason in get_args(DropReason)}


@dataclass(slots=True)
class Tally:
    """What reading found."""

    rows: int = 0
    dropped: dict[DropReason, Count] = field(default_factory=_no_drops)

    def drop(self, reason: DropReason, example: str) -> None:
        """Count one row that is left out."""
        self.dropped[reason].note(example)

    @property
    def dropped_rows(self) -> int:
        """Rows that are left out, whatever the reason."""
        return sum(count.rows for count in self.dropped.values())
