"""Turns pydantic's errors into sentences for people: the field, what is wrong, the way out."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from preftrain_api.spec.compute import LabelValue
from preftrain_api.wire import DnsLabel, DnsSubdomain, Quantity, WireModel

Location = tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with one field."""

    path: str
    """Where, for example spec.training.learningRate."""
    sentence: str
    """What is wrong and what to do."""
    is_unknown: bool = False
    """Whether a field or choice is not known to this release, though it may be to a newer."""

    def __str__(self) -> str:
        return f"{self.path}: {self.sentence}"


def problems_of(
    error: ValidationError, raw: Any, model: type[WireModel], *, root: str = ""
) -> tuple[Problem, ...]:
    """One problem for each field that `error` speaks of.

    Args:
        error: what reading `raw` as `model` raised.
        raw: the plain JSON data.
        model: the model that was to be read.
        root: path of `raw` itself, put before every path.
    """
    found: dict[str, Problem] = {}
    rules = _field_paths(model)
    for details in error.errors(include_url=False):
        problem = _problem(details, raw, model, root, rules)
        # A union reports each of its branches; the first says enough.
        found.setdefault(problem.path, problem)
    return tuple(found.values())


def _problem(
    details: ErrorDetails, raw: Any, model: type[WireModel], root: str, rules: Mapping[str, str]
) -> Problem:
    location = _location_in(raw, details["loc"], details["type"] == "missing")
    kind, context, value = details["type"], details.get("ctx", {}), details["input"]
    path = _path(location, root)
    if kind == "extra_forbidden":
        name = str(location[-1])
        known = _known_fields(model, location[:-1])
        return Problem(path, f"unknown field{_suggestion(name, known)}", is_unknown=True)
    if "[key]" in details["loc"]:
        return Problem(path, "the key must be a name like team or example.com/team")
    if len(location) < len([part for part in details["loc"] if part != "[key]"]) and (
        kind in _UNION_TYPES
    ):
        return Problem(path, f"must be {_AMOUNT}, not {_shown(value)}")
    if kind == "value_error":
        message = str(context["error"])
        field = rules.get(message, "")
        return Problem(path if path.endswith(field) else path + field, message)
    return Problem(path, _sentence(kind, context, value), is_unknown=kind == "literal_error")


_AMOUNT: Final = "a quantity such as 500m or 16Gi, or a whole number"
_UNION_TYPES: Final = frozenset(
    {
        "int_type",
        "int_from_float",
        "string_type",
        "string_pattern_mismatch",
        "string_too_long",
        "greater_than_equal",
        "less_than_equal",
    }
)

_TYPES: Final = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
}

_PATTERNS: Final = {
    str(get_args(kind)[1].pattern): words
    for kind, words in (
        (DnsLabel, "a name of lower-case letters, digits and '-'"),
        (DnsSubdomain, "a name of lower-case letters, digits, '-' and '.'"),
        (LabelValue, "a label value: letters, digits, '-', '_' and '.'"),
        (Quantity, "a quantity such as 500m or 16Gi"),
    )
}


def _sentence(kind: str, context: Mapping[str, Any], value: Any) -> str:
    match kind:
        case "missing":
            return "is missing; add it"
        case "finite_number":
            return "must be a finite number"
        case "literal_error":
            choices = _choices(str(context["expected"]))
            return f"must be {context['expected']}, not {_shown(value)}" + (
                _suggestion(value, choices) if isinstance(value, str) else ""
            )
        case "greater_than":
            return f"must be greater than {context['gt']:g}, not {_shown(value)}"
        case "greater_than_equal":
            return f"must be at least {_number(context['ge'])}, not {_shown(value)}"
        case "less_than":
            return f"must be less than {_number(context['lt'])}, not {_shown(value)}"
        case "less_than_equal":
            return f"must be at most {_number(context['le'])}, not {_shown(value)}"
        case "string_too_short":
            return "must not be empty"
        case "string_too_long":
            limit = context["max_length"]
            return f"has {len(value)} characters; at most {limit} are allowed"
        case "string_pattern_mismatch":
            pattern = context["pattern"]
            words = _PATTERNS.get(pattern, f"of the form {pattern}")
            return f"must be {words}, not {_shown(value)}"
        case "too_short":
            return f"must have at least {context['min_length']} entry; add one or remove the field"
        case "too_long":
            return f"has more than {context['max_length']} entries; remove some"
    if kind in _TYPES:
        return _wrong_type(_TYPES[kind], value)
    return f"is not valid ({kind.replace('_', ' ')})"


def _wrong_type(wanted: str, value: Any) -> str:
    if wanted in ("a number", "a whole number", "true or false") and isinstance(value, str):
        if _is_written(wanted, value):
            return f"must be {wanted}, not a string; write it without quotes"
        return f"must be {wanted}, not {_shown(value)}"
    if wanted == "text" and isinstance(value, bool | int | float):
        return f"must be text, not {_kind(value)}; put it in quotes"
    if value is None:
        return f"must be {wanted}, but there is no value; give one or remove the field"
    return f"must be {wanted}, not {_kind(value)}"


def _is_written(wanted: str, text: str) -> bool:
    if wanted == "true or false":
        return text in ("true", "false")
    try:
        float(text)
    except ValueError:
        return False
    return True


def _kind(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return f"the number {value:g}" if isinstance(value, float) else f"the number {value}"
        case str():
            return f"the text {_shown(value)}"
        case list() | tuple():
            return "a list"
        case None:
            return "null"
    return "an object"


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return repr(value if len(value) <= 64 else value[:61] + "...")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return _kind(value)


def _number(bound: Any) -> str:
    return f"{bound:g}" if isinstance(bound, float) else str(bound)


def _choices(expected: str) -> list[str]:
    return [choice.strip("' ") for choice in expected.replace(" or ", ", ").split(", ")]


def _suggestion(name: str, known: list[str]) -> str:
    lowered = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.6)
    return f"; did you mean {lowered[close[0]]}?" if close else ""


def _path(location: Location, root: str) -> str:
    text = root
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _location_in(raw: Any, location: Location, last_is_missing: bool) -> Location:
    """`location` without the names of union branches, which lead nowhere in the data."""
    kept: list[int | str] = []
    value = raw
    for position, part in enumerate(location):
        absent = last_is_missing and position == len(location) - 1
        if isinstance(value, dict) and isinstance(part, str) and (part in value or absent):
            value = value.get(part)
        elif isinstance(value, list | tuple) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            break
        kept.append(part)
    return tuple(kept)


def _field_paths(model: type[WireModel]) -> dict[str, str]:
    """The field that each rule's message speaks of, relative to the rule's model."""
    return {
        rule.message: rule.field_path
        for part in _models_in(model, set())
        for rule in part.cel_rules
    }


def _known_fields(model: type[WireModel], location: Location) -> list[str]:
    """Names of the fields at `location`; empty where it is no model."""
    current: type[WireModel] | None = model
    for part in location:
        if isinstance(part, int) or current is None:
            continue
        annotation = next(
            (field.annotation for field in current.model_fields.values() if field.alias == part),
            None,
        )
        current = next(_direct_models(annotation), None)
    if current is None:
        return []
    return [field.alias or name for name, field in current.model_fields.items()]


def _models_in(model: type[WireModel], seen: set[type[WireModel]]) -> Iterator[type[WireModel]]:
    if model in seen:
        return
    seen.add(model)
    yield model
    for field in model.model_fields.values():
        for part in _direct_models(field.annotation):
            yield from _models_in(part, seen)


def _direct_models(annotation: Any) -> Iterator[type[WireModel]]:
    if isinstance(annotation, type) and issubclass(annotation, WireModel):
        yield annotation
        return
    for argument in get_args(annotation):
        yield from _direct_models(argument)
