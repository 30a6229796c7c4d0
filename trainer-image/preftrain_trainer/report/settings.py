"""The resolved spec as rows of a table, without what must not be published. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from preftrain_api.spec import PreferenceTrainingJobSpec

_KEPT_BACK: Final = frozenset({"env", "secretRef", "imagePullSecrets"})
"""People put tokens into variables, and names of secrets help nobody who reads a report."""


def settings(spec: PreferenceTrainingJobSpec) -> list[tuple[str, list[tuple[str, str]]]]:
    """Members of the spec with their fields by dotted path; scalars of the spec come last."""
    groups: list[tuple[str, list[tuple[str, str]]]] = []
    rest: list[tuple[str, str]] = []
    for name, value in spec.plain().items():
        if isinstance(value, Mapping):
            rows = list(_rows("", value))
            if rows:
                groups.append((name, rows))
        else:
            rest += _rows("", {name: value})
    return [*groups, ("run", rest)] if rest else groups


def _rows(prefix: str, value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, item in value.items():
        if name in _KEPT_BACK:
            continue
        path = f"{prefix}.{name}" if prefix else name
        if isinstance(item, Mapping):
            yield from _rows(path, item)
        else:
            yield path, _text(item)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return " ".join(f"{name} {_text(item)}" for name, item in value.items())
    if isinstance(value, list):
        return ", ".join(_text(item) for item in value) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
