"""What a check is, and what it measures.

Every family of checks is a module of its own: its table of checks, and a probe that looks at
one example after the other and holds nothing but counts. What a measure means for the run is
for `judge` to say.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from preftrain_trainer.audit.seen import Seen

Consequence = Literal["Refuse", "RefuseModel", "Warn", "Report"]
"""What happens beyond the threshold: exit code 65; exit code 66 whatever the policy, because
training would teach something else; a warning; nothing."""

EXAMPLES: Final = 5
"""Examples that a report names for each check."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that is looked at."""

    name: str
    """As findings call it, in lowerCamelCase."""
    says: str
    """Completes "3 of 100 rows (3.0 %) ..."."""
    way_out: str
    """What to do about it; completes the sentence after a semicolon."""
    consequence: Consequence
    source: str
    """Where the rule or its threshold comes from."""
    threshold: str | None = None
    """Field of the thresholds that it is compared with."""
    unit: str = "examples"
    compares: Literal["Above", "Below"] = "Above"
    """On which side of the threshold something is wrong."""
    fixed: float = 0.0
    """What it is compared with where there is no such field."""


@dataclass(frozen=True, slots=True)
class Measure:
    """What a check found."""

    check: Check
    count: int
    of: int
    examples: tuple[str, ...] = ()
    value: float | None = None
    """What is compared with the threshold, where it is not the share of `count` in `of`."""
    statement: str | None = None
    """The finding in words, where it is not the usual "3 of 100 rows"."""
    not_checked: str | None = None
    """Set when the check could not be made: why."""

    @property
    def compared(self) -> float:
        """What is compared with the threshold."""
        return self.count / max(self.of, 1) if self.value is None else self.value


@dataclass(slots=True)
class Hits:
    """How many examples a check concerns, with the rows of the first few."""

    count: int = 0
    rows: list[int] = field(default_factory=list)

    def note(self, row: int) -> None:
        """Count one."""
        self.count += 1
        if len(self.rows) < EXAMPLES:
            self.rows.append(row)

    def measure(self, check: Check, of: int, statement: str | None = None) -> Measure:
        """Their share as the measure of a check."""
        return Measure(check, self.count, of, named(self.rows), statement=statement)


class Probe(Protocol):
    """Looks at every example once."""

    def look(self, seen: Seen) -> None:
        """Take one example into account."""
        ...

    def measures(self) -> Iterator[Measure]:
        """What was found, after the last example."""
        ...


def named(rows: list[int]) -> tuple[str, ...]:
    """Row numbers as a report shows them."""
    return tuple(f"row {row}" for row in rows)
