"""One spec that is accepted, or refused by name."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

from support.spec_cases.documents import MINIMAL, Json


@dataclass(frozen=True, slots=True)
class Case:
    """A minimal spec with some fields set, by path below spec.

    Attributes:
        name: what the case shows.
        fields: what is set; None is written as null.
        refused: path that a refusal names; empty when the spec is accepted.
        message: what the refusal says, where both sides say the same.
    """

    name: str
    fields: Json = field(default_factory=dict)
    refused: str = ""
    message: str = ""

    def spec(self) -> Json:
        """The spec."""
        spec = copy.deepcopy(MINIMAL)
        for path, value in self.fields.items():
            put(spec, path, value)
        return spec


def put(spec: Json, path: str, value: Any) -> None:
    """Set the field at a dotted path, making the objects on the way."""
    *parents, last = path.split(".")
    target = spec
    for parent in parents:
        target = target.setdefault(parent, {})
    target[last] = value


def accepts(name: str, **fields: Any) -> Case:
    """A case that is accepted; `__` in a keyword stands for a dot."""
    return Case(name, {path.replace("__", "."): value for path, value in fields.items()})


def refuses(name: str, refused: str, message: str = "", **fields: Any) -> Case:
    """A case that is refused."""
    written = {path.replace("__", "."): value for path, value in fields.items()}
    return Case(name, written, refused, message)
