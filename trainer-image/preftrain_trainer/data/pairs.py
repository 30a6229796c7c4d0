"""Preference pairs as every stage of a run sees them, whatever file they came from.

Plain data without torch; `data` makes them, fit, train and evaluate take them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from preftrain_api.report import DataReport


class Message(TypedDict):
    """One turn of a conversation, in the form that chat templates take."""

    role: str
    content: str


Text = str | tuple[Message, ...]
"""Plain text, or the turns of a conversation."""


@dataclass(frozen=True, slots=True)
class PreferencePair:
    """A prompt with a preferred and another answer; all three are of the same kind of text."""

    row: int
    """Number of the row in the source, from 1, over all files in order."""
    prompt: Text
    chosen: Text
    rejected: Text

    @property
    def is_conversational(self) -> bool:
        """Whether the three are turns of a conversation, so that a chat template applies."""
        return not isinstance(self.prompt, str)

    def columns(self) -> dict[str, str | list[Message]]:
        """The pair as a row for the training library: text, or lists of messages."""
        return {
            name: value if isinstance(value, str) else list(value)
            for name, value in (
                ("prompt", self.prompt),
                ("chosen", self.chosen),
                ("rejected", self.rejected),
            )
        }


@dataclass(frozen=True, slots=True)
class PreparedData:
    """Data that were read, judged and split."""

    train: Sequence[PreferencePair]
    held_out: Sequence[PreferencePair]
    conversational: bool
    """Holds for every pair: one set is either plain text or conversations."""
    digest: str
    """`sha256:` over the training pairs, then the held-out pairs, each in order."""
    report: DataReport
