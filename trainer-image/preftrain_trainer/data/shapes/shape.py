"""What a shape is: how it is recognised, and how its rows are read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from preftrain_trainer.data.dialogue import Messages
from preftrain_trainer.data.pairs import Example, Kind, Text
from preftrain_trainer.data.shapes.prompt import PromptColumns
from preftrain_trainer.data.shapes.table import Table


@dataclass(frozen=True, slots=True)
class ScoredAnswer:
    """One rated answer; the rows of its prompt that follow it hold the others."""

    row: int
    prompt: Text | None
    before: Messages | None
    """Turns in front of the prompt; None where the set has none at all."""
    answer: Text
    score: float

    def is_of_the_prompt_of(self, other: "ScoredAnswer") -> bool:
        """Whether both answer the same prompt."""
        return (self.prompt, self.before) == (other.prompt, other.before)


Read = Callable[[int, Mapping[str, Any]], Example | ScoredAnswer]
"""Turns the number and the values of a row into what it holds; raises `LeftOut`."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How the rows of one file are read."""

    shape: str
    kind: Kind
    columns: Mapping[str, str]
    """Columns that are read, by what they hold."""
    read: Read

    def __str__(self) -> str:
        columns = ", ".join(
            part if part == column else f"{part} from {column}"
            for part, column in self.columns.items()
        )
        return f"{self.shape} ({columns})"


PROMPT_MEMBERS: Final = frozenset({"prompt", "system"})
"""Members of dataset.columns that every shape has a use for."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A family of row shapes.

    Attributes:
        name: what the report calls it.
        kind: whether rows hold pairs or labelled answers.
        precedence: lower goes first where columns fit several shapes; equal ones are ambiguous.
        members: what dataset.columns may name for it, besides the prompt.
        recognise: how the rows of a table are read; raises `NoColumn` where it is another shape.
    """

    name: str
    kind: Kind
    precedence: int
    members: frozenset[str]
    recognise: Callable[[Table, PromptColumns], "Found"]


@dataclass(frozen=True, slots=True)
class Found:
    """What a shape found in a table: its own columns, by member, and how to read a row."""

    columns: Mapping[str, str]
    read: Read
