"""What a cell of a row holds: text, turns, numbers, labels."""

import math
from collections.abc import Mapping
from typing import Any, Final

from preftrain_trainer.data.dialogue import is_message, parse_message, parse_messages
from preftrain_trainer.data.pairs import Text
from preftrain_trainer.data.shapes.left_out import MalformedRow

_GOOD: Final = frozenset(
    {"true", "1", "1.0", "+1", "yes", "good", "desirable", "positive", "chosen", "correct", "up"}
    | {"like", "thumbs_up", "👍"}
)
_BAD: Final = frozenset(
    {"false", "0", "0.0", "-1", "-1.0", "no", "bad", "undesirable", "negative", "rejected"}
    | {"incorrect", "down", "dislike", "thumbs_down", "👎"}
)
"""Spellings of a label, in lower case."""


def text_of(values: Mapping[str, Any], column: str) -> Text:
    """Text, or turns of a conversation; one turn alone counts as a conversation.

    Raises:
        MalformedRow: the cell is empty or holds something else.
    """
    value = values.get(column)
    if value is None:
        raise MalformedRow(f"{column} is missing")
    return as_text(value, column)


def as_text(value: Any, column: str) -> Text:
    """The same for a value that is at hand."""
    if isinstance(value, str):
        return value
    try:
        if isinstance(value, list):
            return parse_messages(value)
        if is_message(value):
            return (parse_message(value),)
    except ValueError as error:
        raise MalformedRow(f"{column}: {error}") from error
    raise MalformedRow(f"{column} is neither text nor a list of messages")


def is_text(value: Any) -> bool:
    """Whether the value is text."""
    return isinstance(value, str)


def is_turns(value: Any) -> bool:
    """Whether the value is a conversation."""
    return isinstance(value, list) and bool(value) and all(map(is_message, value))


def is_text_or_turns(value: Any) -> bool:
    """Whether the value can be a prompt or an answer."""
    return is_text(value) or is_turns(value) or is_message(value)


def is_answered(value: Any) -> bool:
    """Whether the value is a conversation that ends with an answer."""
    return is_turns(value) and _last_role(value) == "assistant"


def is_question(value: Any) -> bool:
    """Whether the value can be a prompt: text, or a conversation that waits for an answer."""
    return is_text(value) or (is_turns(value) and _last_role(value) in ("user", "tool"))


def _last_role(turns: list[Any]) -> str | None:
    try:
        return parse_message(turns[-1])["role"]
    except ValueError:
        return None


def models_of(values: Mapping[str, Any], columns: tuple[str, str] | None) -> tuple[str, str] | None:
    """What two columns call the models that wrote the two answers; None where they do not say."""
    if columns is None:
        return None
    one, other = (values.get(column) for column in columns)
    return (one, other) if isinstance(one, str) and isinstance(other, str) else None


def number_of(value: Any) -> float | None:
    """A finite number, also written as text as in CSV; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):  # a whole number of hundreds of digits
        return None
    return number if math.isfinite(number) else None


def is_number(value: Any) -> bool:
    """Whether the value is a finite number."""
    return number_of(value) is not None


def label_of(value: Any) -> bool | None:
    """Whether a label calls an answer good; None where it is no label."""
    word = str(value).strip().lower() if isinstance(value, str | int | float) else ""
    return True if word in _GOOD else False if word in _BAD else None


def is_label(value: Any) -> bool:
    """Whether the value is a label."""
    return label_of(value) is not None
