"""Rows out of JSON: one object a line, a list of objects, or an object around such a list."""

from collections.abc import Iterator
from typing import IO, Any, Final

from preftrain_trainer.data.json_text import BrokenJson, Decoded, JsonDecoder, JsonStream
from preftrain_trainer.data.row import ROW_CHARACTERS, TOO_LONG, Row
from preftrain_trainer.errors import DataRefused

_KEYS_SHOWN: Final = 5
_BOM: Final = b"\xef\xbb\xbf"


def json_lines(stream: IO[bytes], name: str) -> Iterator[Row]:
    """The objects of JSON lines; a line that is none is a row with a problem."""
    decoder = JsonDecoder()
    number = 0
    while line := stream.readline(ROW_CHARACTERS):
        number += 1
        where = f"{name} line {number}"
        if len(line) == ROW_CHARACTERS and not line.endswith(b"\n"):
            _skip_line(stream)
            yield Row(where, {}, TOO_LONG)
            continue
        text = line.removeprefix(_BOM).strip() if number == 1 else line.strip()
        if text:
            yield _line(text, where, decoder)


def json_document(stream: IO[bytes], name: str) -> Iterator[Row]:
    """A list of objects, an object with one such list, or JSON lines under another name.

    Raises:
        DataRefused: it is neither.
    """
    try:
        text = JsonStream(stream, ROW_CHARACTERS)
        start = text.peek()
    except BrokenJson as error:
        raise _refused(name, 0, error) from error
    if start == "[":
        yield from _listed(text, name)
        return
    if not start:
        return
    table, is_lines = _outline(text, name)
    stream.seek(0)
    if is_lines:
        yield from json_lines(stream, name)
    elif table is None:
        yield _only_row(JsonStream(stream, ROW_CHARACTERS), name)
    else:
        yield from _inside(JsonStream(stream, ROW_CHARACTERS), table, name)


def _line(line: bytes, where: str, decoder: JsonDecoder) -> Row:
    try:
        return _row(decoder.whole(line.decode()), where)
    except UnicodeDecodeError as error:
        return Row(where, {}, f"not UTF-8 (byte {error.start + 1})")
    except BrokenJson as error:
        return Row(where, {}, f"not JSON ({error})")


def _row(found: Decoded, where: str) -> Row:
    if not isinstance(found.value, dict):
        return Row(where, {}, "not a JSON object")
    if found.doubled is not None:
        return Row(where, {}, f"has the key {found.doubled!r} twice", "keep one of the two")
    try:
        "".join(found.value).encode()
    except UnicodeEncodeError:
        return Row(where, {}, "has a key that is not valid Unicode")
    return Row(where, found.value)


def _skip_line(stream: IO[bytes]) -> None:
    while (rest := stream.readline(ROW_CHARACTERS)) and not rest.endswith(b"\n"):
        pass


def _listed(text: JsonStream, name: str) -> Iterator[Row]:
    """The rows of the list that begins here, up to the end of the document."""
    number = 0
    try:
        for number, found in enumerate(text.elements(), start=1):
            yield _row(found, f"{name} row {number}")
        text.end()
    except BrokenJson as error:
        raise _refused(name, number, error) from error


def _outline(text: JsonStream, name: str) -> tuple[str | None, bool]:
    """The key of the one list of objects in the first object, unless that is a row itself, and
    whether further objects follow it.
    """
    keys, tables, doubled = set(), [], set()
    try:
        for key in text.members():
            if key in keys:
                doubled.add(key)
            keys.add(key)
            if text.peek() != "[":
                text.value()
            elif _all_objects(text):
                tables.append(key)
        follows = bool(text.peek())
    except BrokenJson as error:
        raise _refused(name, 0, error) from error
    if "chosen" not in keys and (twice := doubled.intersection(tables)):
        raise DataRefused(
            f"{name} is one object that has its rows under the key {min(twice)!r}, and that key "
            "twice; keep one of the two, or write all rows in one list"
        )
    is_row = len(tables) != 1 or "chosen" in keys
    return (None if is_row else tables[0]), follows


def _only_row(text: JsonStream, name: str) -> Row:
    try:
        row = _row(text.value(), f"{name} row 1")
    except BrokenJson as error:  # its members were short enough, one by one
        raise DataRefused(
            f"{name} is one object and no list of rows ({error}); write a list of rows "
            "(pandas: orient='records')"
        ) from error
    _require_row(row.values, name)
    return row


def _require_row(values: dict[str, Any], name: str) -> None:
    """Refuse an object that holds all rows, in another form than a list of them."""
    if len(values) < 2:
        return
    if all(isinstance(value, dict) or _is_list_of_plain(value) for value in values.values()):
        raise DataRefused(
            f"{name} is one object that holds columns ({_shown(values)}); write a list of rows "
            "(pandas: orient='records')"
        )
    if "chosen" not in values and all(map(_is_list_of_objects, values.values())):
        raise DataRefused(
            f"{name} is one object that holds several lists of rows ({_shown(values)}); write each "
            "to a file of its own, named after the split"
        )


def _is_list_of_plain(value: Any) -> bool:
    return isinstance(value, list) and not any(isinstance(item, dict) for item in value)


def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _shown(values: dict[str, Any]) -> str:
    return ", ".join(list(values)[:_KEYS_SHOWN])


def _all_objects(text: JsonStream) -> bool:
    objects = others = 0
    for found in text.elements():
        objects += isinstance(found.value, dict)
        others += not isinstance(found.value, dict)
    return objects > 0 and not others


def _inside(text: JsonStream, table: str, name: str) -> Iterator[Row]:
    for key in text.members():
        if key == table:
            for number, found in enumerate(text.elements(), start=1):
                yield _row(found, f"{name} row {number}")
        elif text.peek() == "[":
            _all_objects(text)
        else:
            text.value()


def _refused(name: str, row: int, error: BrokenJson) -> DataRefused:
    after = f" after row {row}" if row else ""
    return DataRefused(
        f"{name} is neither a JSON list of objects nor JSON lines ({error}{after}); check how it "
        "was written and whether it was uploaded whole"
    )
