"""Turns a model into a structural schema, the subset of OpenAPI that an API server takes.

Defaults are left out: an API server would write them into the stored object, and GitOps
tools would report them as drift. They are resolved in code and shown in the status.
"""

from typing import Any, Final

from pydantic.json_schema import GenerateJsonSchema
from pydantic_core.core_schema import ModelSchema

from preftrain_api.wire import CelRule, WireModel

Schema = dict[str, Any]

MAX_TIME_CHARACTERS: Final = 64
"""Longer than any RFC 3339 timestamp."""

_CUT_BOUND: Final = (
    "API servers cut fractional bounds to integers before they compare whole numbers; "
    "use an inclusive maximum, or a rule"
)

_DROPPED: Final = frozenset({"title", "default", "propertyNames", "$defs"})
_ORDER: Final = (
    "description",
    "type",
    "format",
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "exclusiveMinimum",
    "maximum",
    "exclusiveMaximum",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-validations",
    "required",
    "properties",
    "additionalProperties",
    "items",
    "anyOf",
)
"""Order of the keys, so that the generated file reads well and never changes by chance."""


def structural_schema(model: type[WireModel]) -> Schema:
    """The structural schema of objects that `model` reads.

    Raises:
        ValueError: the model holds something that a structural schema cannot say.
    """
    emitted = model.model_json_schema(by_alias=True, schema_generator=_WithRules)
    return _structural(emitted, emitted.get("$defs", {}), model.__name__)


def validation(rule: CelRule) -> Schema:
    """The `x-kubernetes-validations` entry of a rule."""
    return {
        "rule": rule.rule,
        "message": rule.message,
        "fieldPath": rule.field_path,
        "reason": rule.reason,
    }


class _WithRules(GenerateJsonSchema):
    """Adds the CEL rules of each model to its schema."""

    def model_schema(self, schema: ModelSchema) -> Schema:
        emitted: Schema = super().model_schema(schema)
        model = schema["cls"]
        if issubclass(model, WireModel) and model.cel_rules:
            emitted["x-kubernetes-validations"] = [validation(rule) for rule in model.cel_rules]
        return emitted


def _structural(emitted: Schema, defs: Schema, where: str) -> Schema:
    node = _flat(emitted, defs, where)
    if "properties" in node:
        node["properties"] = {
            name: _structural(child, defs, f"{where}.{name}")
            for name, child in node["properties"].items()
        }
    if "patternProperties" in node:
        # A rule over the keys stands in for their pattern.
        (node["additionalProperties"],) = node.pop("patternProperties").values()
    extra = node.pop("additionalProperties", False)
    if extra is True:
        node["x-kubernetes-preserve-unknown-fields"] = True
    elif extra is not False:
        node["additionalProperties"] = _structural(extra, defs, f"{where}.*")
    if "items" in node:
        node["items"] = _structural(node["items"], defs, f"{where}[]")
        node.setdefault("x-kubernetes-list-type", "atomic")
    if "const" in node:
        node["enum"] = [node.pop("const")]
    if node.get("format") == "date-time":
        node["maxLength"] = MAX_TIME_CHARACTERS
    for exclusive, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if exclusive in node:
            if not float(node[exclusive]).is_integer():
                raise ValueError(f"{where}: {_CUT_BOUND}")
            node[bound], node[exclusive] = node[exclusive], True
    if not float(node.get("minimum", 0)).is_integer():
        raise ValueError(f"{where}: {_CUT_BOUND}")
    if "description" in node:
        node["description"] = " ".join(node["description"].split())
    unknown = node.keys() - set(_ORDER)
    if unknown:
        raise ValueError(f"{where}: a structural schema has no {', '.join(sorted(unknown))}")
    return {key: node[key] for key in _ORDER if key in node}


def _flat(emitted: Schema, defs: Schema, where: str) -> Schema:
    """`emitted` with references, optionality and unions of int and string resolved."""
    node = {key: value for key, value in emitted.items() if key not in _DROPPED}
    if "$ref" in node:
        target = defs[node.pop("$ref").removeprefix("#/$defs/")]
        return _flat({**target, **node}, defs, where)
    if "anyOf" not in node:
        return node
    branches = [branch for branch in node.pop("anyOf") if branch != {"type": "null"}]
    if len(branches) == 1:
        return _flat({**branches[0], **node}, defs, where)
    if sorted(branch.get("type", "") for branch in branches) != ["integer", "string"]:
        raise ValueError(f"{where}: no union but of int and string has a structural schema")
    # The bounds of each branch speak of its own type alone, so they can stand together.
    merged = {key: value for branch in branches for key, value in branch.items() if key != "type"}
    return {
        **merged,
        **node,
        "x-kubernetes-int-or-string": True,
        "anyOf": [{"type": "integer"}, {"type": "string"}],
    }
