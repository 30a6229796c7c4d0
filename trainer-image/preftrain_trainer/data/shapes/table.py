"""The first rows of a file, seen as a table: which columns there are and what they hold."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from preftrain_api.spec.dataset import Columns

MEMBERS: Final = tuple(Columns.model_fields)
"""Members of dataset.columns: the parts that a shape may have a column for."""

Test = Callable[[Any], bool]


class NoColumn(Exception):
    """A shape has no column for one of its parts.

    Attributes:
        member: of dataset.columns.
        column: the name that was looked for.
        asked: whether dataset.columns names it.
        found: how many of the shape's own parts were found before.
    """

    def __init__(self, member: str, column: str, *, asked: bool, found: int) -> None:
        super().__init__(f"no column {column!r} for {member}")
        self.member = member
        self.column = column
        self.asked = asked
        self.found = found


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of one file, and the columns that the user named.

    Attributes:
        rows: the first rows that could be read.
        asked: `dataset.columns`, by member, without those that are not set.
    """

    rows: Sequence[Mapping[str, Any]]
    asked: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]], columns: Columns | None) -> "Table":
        """A table under the names that a spec gives its columns."""
        return cls(tuple(rows), columns.model_dump(exclude_none=True) if columns else {})

    @property
    def columns(self) -> frozenset[str]:
        """All columns of the rows."""
        return frozenset(str(column) for row in self.rows for column in row)

    def find(self, member: str, usual: Sequence[str], test: Test) -> str | None:
        """The column of a part: the one that was asked for, or the first usual one whose values
        mostly pass the test.

        Raises:
            NoColumn: the one that was asked for is not there.
        """
        asked = self.asked.get(member)
        if asked is not None:
            if asked not in self.columns:
                raise NoColumn(member, asked, asked=True, found=0)
            return asked
        return next((name for name in usual if self.holds(name, test)), None)

    def require(self, member: str, usual: Sequence[str], test: Test, found: int = 0) -> str:
        """The same, for a part without which there is no such shape.

        Raises:
            NoColumn: there is none.
        """
        column = self.find(member, usual, test)
        if column is None:
            raise NoColumn(member, usual[0], asked=False, found=found)
        return column

    def may_hold(self, column: str, test: Test) -> bool:
        """Whether the column is there and no value speaks against it, for parts that rows may
        lack: a system prompt that few rows have must not be overlooked.
        """
        values = (row.get(column) for row in self.rows)
        return column in self.columns and all(test(value) for value in values if value is not None)

    def both(self, usual: Sequence[tuple[str, str]], test: Test) -> tuple[str, str] | None:
        """The first two of the usual columns, one for each answer, that both pass the test."""
        return next((two for two in usual if all(self.holds(name, test) for name in two)), None)

    def holds(self, column: str, test: Test) -> bool:
        """Whether the column is there and most of its values pass; rows may be broken."""
        values = [row[column] for row in self.rows if row.get(column) is not None]
        return bool(values) and 2 * sum(map(test, values)) > len(values)
