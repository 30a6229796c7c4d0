"""Turns a row of a data set into a preference pair, whatever shape the row has.

Known shapes: prompt, chosen and rejected as text or messages; chosen and rejected that hold
the prompt too, as messages, as `Human:` / `Assistant:` dialogues, or as plain text with a
common beginning.
"""

from dataclasses import dataclass
from typing import Any

from preftrain_api.spec import DatasetSpec
from preftrain_trainer.data.dialogue import (
    Messages,
    is_hh,
    parse_hh,
    parse_messages,
    shared_start,
)
from preftrain_trainer.data.pairs import Message, PreferencePair, Text


class MalformedRow(Exception):
    """The row is no usable pair; the message says why."""


@dataclass(frozen=True, slots=True)
class ColumnNames:
    """Where the parts of a pair stand; `prompt` is None when the answers hold it too."""

    prompt: str | None
    chosen: str
    rejected: str


def column_names(spec: DatasetSpec, present: frozenset[str]) -> ColumnNames:
    """The columns to read.

    Raises:
        KeyError: whose argument is the pair of member (`chosen`) and column that is missing.
    """
    asked = spec.columns
    chosen = (asked and asked.chosen) or "chosen"
    rejected = (asked and asked.rejected) or "rejected"
    prompt = (asked and asked.prompt) or "prompt"
    for member, column in (("chosen", chosen), ("rejected", rejected)):
        if column not in present:
            raise KeyError(member, column)
    if prompt in present:
        return ColumnNames(prompt, chosen, rejected)
    if asked and asked.prompt:
        raise KeyError("prompt", prompt)
    return ColumnNames(None, chosen, rejected)


def to_pair(values: dict[str, Any], names: ColumnNames, row: int) -> PreferencePair:
    """The pair that a row holds; identical answers are not this function's business.

    Raises:
        MalformedRow: a part is missing, mistyped or empty.
    """
    chosen = _part(values, names.chosen)
    rejected = _part(values, names.rejected)
    prompt = None if names.prompt is None else _part(values, names.prompt)
    if isinstance(chosen, str) != isinstance(rejected, str):
        raise MalformedRow("one answer is text, the other a list of messages")
    pair = PreferencePair(row, *_split(prompt, chosen, rejected))
    _check(pair)
    return pair


def _part(values: dict[str, Any], column: str) -> Text:
    value = values.get(column)
    if value is None:
        raise MalformedRow(f"{column} is missing")
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        try:
            return parse_messages(value)
        except ValueError as error:
            raise MalformedRow(f"{column}: {error}") from error
    raise MalformedRow(f"{column} is neither text nor a list of messages")


def _split(prompt: Text | None, chosen: Text, rejected: Text) -> tuple[Text, Text, Text]:
    if isinstance(chosen, str) and isinstance(rejected, str):
        if prompt is None:
            return _split_text(chosen, rejected)
        if isinstance(prompt, str):
            if is_hh(prompt + "\n\nAssistant:"):
                return parse_hh(prompt), _answer(chosen), _answer(rejected)
            return prompt, chosen, rejected
        return prompt, _answer(chosen), _answer(rejected)
    if isinstance(chosen, str) or isinstance(rejected, str):
        raise MalformedRow("one answer is text, the other a list of messages")
    return _split_messages(prompt, chosen, rejected)


def _split_text(chosen: str, rejected: str) -> tuple[Text, Text, Text]:
    if is_hh(chosen) and is_hh(rejected):
        return _split_messages(None, parse_hh(chosen), parse_hh(rejected))
    length = 0
    for one, other in zip(chosen, rejected, strict=False):
        if one != other:
            break
        length += 1
    # Answers may begin with the same letters; the prompt ends before the word they differ in.
    while length and not chosen[length - 1].isspace():
        length -= 1
    if not chosen[:length].strip():
        raise MalformedRow("there is no prompt: the answers have no beginning in common")
    return chosen[:length], chosen[length:], rejected[length:]


def _split_messages(
    prompt: Text | None, chosen: Messages, rejected: Messages
) -> tuple[Text, Text, Text]:
    if not isinstance(prompt, str | None):
        length = len(prompt)
        if chosen[:length] == prompt and rejected[:length] == prompt:
            return prompt, chosen[length:], rejected[length:]
        return prompt, chosen, rejected
    count = shared_start(chosen, rejected)
    if count:
        return chosen[:count], chosen[count:], rejected[count:]
    if prompt is None:
        raise MalformedRow("there is no prompt: the conversations have no turn in common")
    return (Message(role="user", content=prompt),), chosen, rejected


def _answer(text: str) -> Messages:
    return (Message(role="assistant", content=text.strip()),)


def _check(pair: PreferencePair) -> None:
    for name, value in (
        ("prompt", pair.prompt),
        ("chosen", pair.chosen),
        ("rejected", pair.rejected),
    ):
        text = value if isinstance(value, str) else value[-1]["content"] if value else ""
        if not text.strip():
            raise MalformedRow(f"{name} is empty")
        try:
            whole = value if isinstance(value, str) else "".join(part["content"] for part in value)
            whole.encode()
        except UnicodeEncodeError:
            raise MalformedRow(f"{name} is not valid Unicode") from None
    if isinstance(pair.prompt, str):
        return
    if pair.prompt[-1]["role"] not in ("user", "tool"):
        raise MalformedRow("the prompt does not end with a turn of the user")
    for name, value in (("chosen", pair.chosen), ("rejected", pair.rejected)):
        if not isinstance(value, str) and value[-1]["role"] != "assistant":
            raise MalformedRow(f"{name} does not end with a turn of the assistant")
