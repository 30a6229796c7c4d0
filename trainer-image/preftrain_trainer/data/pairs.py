"""Preferences as every stage of a run sees them, whatever file they came from.

Plain data without torch; `data` makes them, fit, training and evaluation take them.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypedDict, TypeVar, overload

from preftrain_api.report import DataReport
from preftrain_trainer.data.tally import Tally


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
    models: tuple[str, str] | None = field(default=None, compare=False)
    """Which models wrote the two answers, where the set says; known while it is read."""

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
class LabelledAnswer:
    """A prompt with one answer and whether that is a good one; KTO learns from these."""

    row: int
    """Number of the row in the source, from 1, over all files in order."""
    prompt: Text
    answer: Text
    desirable: bool

    @property
    def is_conversational(self) -> bool:
        """Whether prompt and answer are turns of a conversation."""
        return not isinstance(self.prompt, str)

    def columns(self) -> dict[str, str | list[Message] | bool]:
        """The answer as a row for the training library: text or lists of messages, and a label."""
        return {
            "prompt": self.prompt if isinstance(self.prompt, str) else list(self.prompt),
            "completion": self.answer if isinstance(self.answer, str) else list(self.answer),
            "label": self.desirable,
        }


Example = PreferencePair | LabelledAnswer
"""What a data set consists of: all of one kind."""

Kind = Literal["Paired", "Unpaired"]


@dataclass(frozen=True, slots=True)
class LoadedData:
    """Data that were read, cleaned and split, before they are judged.

    The examples may lie on disk, so that each access reads: go through them in order, and keep
    no more of them than needed.
    """

    train: Sequence[Example]
    held_out: Sequence[Example]
    kind: Kind
    conversational: bool
    digest: str
    """`sha256:` over the training examples, then the held-out ones, each in order."""
    tally: Tally
    shape: str = ""
    """What the rows were recognised as and which columns were read, for people."""


@dataclass(frozen=True, slots=True)
class PreparedData:
    """Data that were read, judged and split."""

    train: Sequence[Example]
    held_out: Sequence[Example]
    conversational: bool
    """Holds for every example: one set is either plain text or conversations."""
    digest: str
    """`sha256:` over the training examples, then the held-out ones, each in order."""
    report: DataReport
    kind: Kind = "Paired"
    """Holds for every example too."""
    scratch: Path | None = None
    """Folder for what is made of them and need not fit memory."""


def as_pairs(examples: Sequence[Example]) -> Sequence[PreferencePair]:
    """The examples of a paired set, typed as what they are; none is read before it is used."""
    return _Typed(examples, PreferencePair)


def as_answers(examples: Sequence[Example]) -> Sequence[LabelledAnswer]:
    """The examples of an unpaired set, typed as what they are; none is read before it is used."""
    return _Typed(examples, LabelledAnswer)


def label_counts(examples: Iterable[Example]) -> tuple[int, int]:
    """How many desirable and how many other answers there are; a pair has one of each."""
    good = bad = 0
    for example in examples:
        good += isinstance(example, PreferencePair) or example.desirable
        bad += isinstance(example, PreferencePair) or not example.desirable
    return good, bad


_OneKind = TypeVar("_OneKind", bound=Example)


class _Typed(Sequence[_OneKind]):
    """A view of examples that are all of one kind."""

    def __init__(self, examples: Sequence[Example], kind: type[_OneKind]) -> None:
        self._examples = examples
        self._kind: type[_OneKind] = kind

    def __len__(self) -> int:
        return len(self._examples)

    @overload
    def __getitem__(self, index: int) -> _OneKind: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[_OneKind]: ...
    def __getitem__(self, index: int | slice) -> _OneKind | Sequence[_OneKind]:
        if isinstance(index, slice):
            return _Typed(self._examples[index], self._kind)
        return self._checked(self._examples[index])

    def __iter__(self) -> Iterator[_OneKind]:
        return map(self._checked, self._examples)

    def _checked(self, example: Example) -> _OneKind:
        if not isinstance(example, self._kind):
            raise TypeError(
                f"a {type(example).__name__} among examples that are all {self._kind.__name__}"
            )
        return example
