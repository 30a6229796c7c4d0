"""Reads what users and pods wrote without ever failing.

A spec that cannot be read becomes a reason; a status, result or progress that a newer
program wrote loses only the parts that are not understood.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from preftrain_api.reasons import Reason
from preftrain_api.spec import PreferenceTrainingJobSpec
from preftrain_api.wire import WireModel

Model = TypeVar("Model", bound=WireModel)

_NEWER = frozenset({"extra_forbidden", "literal_error"})
"""pydantic's names for an unknown field and an unknown enum member: both come with upgrades."""
_MAX_FIELDS_NAMED = 5
_MAX_PRUNING_ROUNDS = 8


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
        return SpecReading(spec=PreferenceTrainingJobSpec.parse(dict(raw)))
    except ValidationError as error:
        faults = error.errors(include_url=False)
        newer = [_path(fault["loc"]) for fault in faults if fault["type"] in _NEWER]
        if newer:
            named = ", ".join(sorted(newer)[:_MAX_FIELDS_NAMED])
            return SpecReading(
                problem=Reason.NEWER_SCHEMA,
                message=f"this operator does not know spec.{named}; upgrade the operator",
            )
        told = "; ".join(
            f"spec.{_path(fault['loc'])}: {fault['msg']}" for fault in faults[:_MAX_FIELDS_NAMED]
        )
        return SpecReading(problem=Reason.BAD_SPEC, message=told)


def read_leniently(model: type[Model], raw: Any) -> Model | None:
    """`raw` as `model` without the parts that do not fit; None when nothing usable is left."""
    current = raw
    for _ in range(_MAX_PRUNING_ROUNDS):
        try:
            return model.parse(current)
        except ValidationError as error:
            if current is raw:
                current = json.loads(json.dumps(raw))
            for fault in error.errors(include_url=False, include_input=False):
                path = fault["loc"][:-1] if fault["type"] == "missing" else fault["loc"]
                if not path:
                    return None
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


def _has(data: Any, part: int | str) -> bool:
    if isinstance(data, dict):
        return part in data
    return isinstance(data, list) and isinstance(part, int) and part < len(data)


def _path(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location)


def _remove(data: Any, path: tuple[int | str, ...]) -> None:
    """Take the value at `path` out of `data`; aliases that pydantic adds to paths are passed
    over, and what is gone already stays gone.
    """
    for part in path[:-1]:
        if _has(data, part):
            data = data[part]
    last = path[-1]
    if isinstance(data, dict):
        data.pop(last, None)
    elif isinstance(data, list) and isinstance(last, int) and last < len(data):
        # None keeps the other indices of this round valid; the next round removes the holes.
        if data[last] is None:
            data[:] = [item for item in data if item is not None]
        else:
            data[last] = None
