"""Plain JSON data as an API server stores them: numbers by value, no empty fields.

An API server keeps whole numbers as 64-bit integers however they are written, and drops
nulls from objects. Reading the same on the command line keeps both of one mind.
"""

from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from types import UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

from pydantic import BaseModel

_MAX_INT64: Final = 2**63 - 1
_MIN_INT64: Final = -(2**63)


def as_stored(raw: Any, model: type[BaseModel]) -> Any:
    """`raw` as it comes back from an API server whose schema is that of `model`."""
    return _without_nulls(_plain_numbers(raw), (model,))


def stored_number(number: int | float) -> int | float:
    """The number that comes out of an API server for `number`: 1.0 and 1e3 are whole, and
    2**63 is a float.
    """
    if isinstance(number, int):
        return number if _MIN_INT64 <= number <= _MAX_INT64 else _float(number)
    if not number.is_integer():
        return number
    # From the shortest digits, because those travel, not the float's exact value.
    whole = int(Decimal(repr(number)))
    return whole if _MIN_INT64 <= whole <= _MAX_INT64 else number


def _float(number: int) -> int | float:
    try:
        return float(number)
    except OverflowError:
        return number


def _plain_numbers(raw: Any) -> Any:
    if isinstance(raw, dict):
        return {key: _plain_numbers(value) for key, value in raw.items()}
    if isinstance(raw, list | tuple):
        return [_plain_numbers(value) for value in raw]
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        return raw
    return stored_number(raw)


def _without_nulls(raw: Any, kinds: tuple[Any, ...]) -> Any:
    """`raw` without nulls in known fields and maps; unknown ones stay, to be refused."""
    if not isinstance(raw, dict | list):
        return raw
    for kind in kinds:
        if isinstance(raw, dict) and isinstance(kind, type) and issubclass(kind, BaseModel):
            fields = _fields(kind)
            return {
                key: _without_nulls(value, fields.get(key, ()))
                for key, value in raw.items()
                if value is not None or key not in fields
            }
        arguments = get_args(kind)
        if isinstance(raw, dict) and get_origin(kind) is dict and arguments[1] is not Any:
            return {
                key: _without_nulls(value, tuple(_alternatives(arguments[1])))
                for key, value in raw.items()
                if value is not None
            }
        if isinstance(raw, list) and get_origin(kind) is tuple:
            items = tuple(_alternatives(arguments[0]))
            return [_without_nulls(item, items) for item in raw]
    return raw


@cache
def _fields(model: type[BaseModel]) -> dict[str | None, tuple[Any, ...]]:
    """What each field may hold, by its name on the wire."""
    return {
        field.alias: tuple(_alternatives(field.annotation)) for field in model.model_fields.values()
    }


def _alternatives(annotation: Any) -> Iterator[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _alternatives(get_args(annotation)[0])
    elif origin in (Union, UnionType):
        for alternative in get_args(annotation):
            yield from _alternatives(alternative)
    else:
        yield annotation
