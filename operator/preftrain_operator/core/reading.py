"""Reads what users and pods wrote without ever failing.

A spec that cannot be read becomes a reason; a status, result or progress that a newer
program wrote loses only the parts that are not understood.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from preftrain_api import reading
from preftrain_api.errors import NewerSchemaError, SpecError
from preftrain_api.reasons import Reason
from preftrain_api.spec import PreferenceTrainingJobSpec
from preftrain_api.wire import WireModel

Model = TypeVar("Model", bound=WireModel)

_MAX_PRUNING_ROUNDS = 8

Path = tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class SpecReading:
    """A spec, or why there is none."""

    spec: PreferenceTrainingJobSpec | None = None
    problem: Reason | None = None
    message: str = ""


def read_spec(raw: Mapping[str, Any]) -> SpecReading:
    """The spec as a model; an unknown field or value is reason NewerSchema, any other fault
    BadSpec.
    """
    try:
        return SpecReading(spec=reading.read_spec(dict(raw)))
    except NewerSchemaError as error:
        message = f"{error}; upgrade the operator, or remove it"
        return SpecReading(problem=Reason.NEWER_SCHEMA, message=message)
    except SpecError as error:
        return SpecReading(problem=Reason.BAD_SPEC, message=str(error))


def read_leniently(model: type[Model], raw: Any) -> Model | None:
    """`raw` as `model` without the parts that do not fit; None when nothing usable is left."""
    current = raw
    for _ in range(_MAX_PRUNING_ROUNDS):
        try:
            return model.parse(current)
        except ValidationError as error:
            if current is raw:
                current = json.loads(json.dumps(raw))
            paths = {_faulty_part(fault["type"], fault["loc"]) for fault in error.errors()}
            if () in paths:
                return None
            # From the end, so that what is removed from a list moves nothing that is to follow.
            for path in sorted(paths, key=_order, reverse=True):
                _remove(current, path)
        except (TypeError, RecursionError):
            return None
    return None


def read_json(text: str | bytes, limit_bytes: int) -> Any:
    """The JSON value in `text`; None when it is too long or not JSON."""
    if len(text) > limit_bytes:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _faulty_part(kind: str, location: Path) -> Path:
    return location[:-1] if kind == "missing" else location


def _order(path: Path) -> list[tuple[int, str]]:
    return [(part, "") if isinstance(part, int) else (-1, part) for part in path]


def _remove(data: Any, path: Path) -> None:
    """Take the value at `path` out of `data`, if it is there."""
    for part in path[:-1]:
        if not _has(data, part):
            return
        data = data[part]
    if _has(data, path[-1]):
        del data[path[-1]]


def _has(data: Any, part: int | str) -> bool:
    if isinstance(data, dict):
        return part in data
    return isinstance(data, list) and isinstance(part, int) and part < len(data)
