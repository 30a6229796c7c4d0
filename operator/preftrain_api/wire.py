"""The model class of everything that crosses a process boundary, and its CEL rules.

Wire models are frozen, strict (no string is taken for a number) and refuse unknown keys.
Each cross-field rule stands twice, side by side: as CEL for the API server and as a
pydantic validator for the command line; a fuzz test holds the two together.
"""

import json
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    StringConstraints,
    ValidationInfo,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from preftrain_api.as_stored import as_stored


@dataclass(frozen=True, slots=True)
class CelRule:
    """One `x-kubernetes-validations` entry: a rule, what to say, and the field it names."""

    rule: str
    message: str
    field_path: str
    reason: str = "FieldValueInvalid"


class WireModel(BaseModel):
    """A frozen JSON object with camelCase keys; unknown keys are errors."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        alias_generator=to_camel,
        populate_by_name=True,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
    )

    cel_rules: ClassVar[tuple[CelRule, ...]] = ()

    @classmethod
    def parse(cls, raw: Any, *, context: dict[str, Any] | None = None) -> Self:
        """Read plain JSON data (dicts, lists, scalars), as an API server would: 1.0 is a
        whole number, null is no value, and keys are camelCase only.

        Goes through JSON text because strict mode takes lists for tuples only there.

        Raises:
            pydantic.ValidationError: with the path of every offending field.
        """
        text = json.dumps(as_stored(raw, cls))
        return cls.model_validate_json(text, context=context, by_alias=True, by_name=False)

    def plain(self) -> dict[str, Any]:
        """The object as plain JSON data: camelCase keys, absent optionals left out."""
        data: dict[str, Any] = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        return data


ALLOW_FILE: Final = "allow_file"
"""Key of the validation context under which `file://` places are accepted."""


def allows_file(info: ValidationInfo) -> bool:
    """Whether `file://` may be used: on the command line yes, in a cluster never."""
    return bool(info.context and info.context.get(ALLOW_FILE))


Name = Annotated[str, StringConstraints(min_length=1, max_length=253)]
"""The name of another object, a column, a split: anything short that is not free text."""
DnsLabel = Annotated[
    str, StringConstraints(max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
]
DnsSubdomain = Annotated[
    str,
    StringConstraints(
        max_length=253, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
    ),
]
Text = Annotated[str, StringConstraints(max_length=1024)]
Quantity = Annotated[
    str,
    StringConstraints(max_length=32, pattern=r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$"),
]
"""A Kubernetes quantity such as `16Gi`."""


MAX_SAFE_INTEGER: Final = 2**53 - 1
"""The largest whole number that every JSON reader keeps exactly."""
Ratio = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[int, Field(ge=1, le=31_536_000)]


@dataclass(frozen=True, slots=True)
class ListOf:
    """Annotation of a list whose entries are distinct: by their field `key`, or as a whole.

    The API server then merges the list entry by entry when several managers apply it.
    """

    key: str | None = None

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._distinct, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        listing = handler(schema)
        if self.key is None:
            return {**listing, "x-kubernetes-list-type": "set"}
        keys = [to_camel(self.key)]
        return {**listing, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": keys}

    def _distinct(self, entries: Sequence[Any]) -> Sequence[Any]:
        identity: Callable[[Any], Hashable] = attrgetter(self.key) if self.key else _itself
        seen: set[Hashable] = set()
        for entry in map(identity, entries):
            if entry in seen:
                raise ValueError(f"{entry} stands there twice; remove one")
            seen.add(entry)
        return entries


def _itself(entry: Hashable) -> Hashable:
    return entry
