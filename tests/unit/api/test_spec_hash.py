"""Equal hashes mean the same adapter: what enters the hash and what does not."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from preftrain_api.crd import custom_resource_definition
from preftrain_api.reading import read_spec
from preftrain_api.report import Pins
from preftrain_api.resolve import resolve
from preftrain_api.spec_hash import canonical_json, spec_hash
from support.spec_cases import COMMIT, FULL, MINIMAL, put

Json = dict[str, Any]
Path = tuple[str | int, ...]
SCHEMA: Json = custom_resource_definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
PINS = Pins(model_commit=COMMIT, data_digest="sha256:" + "0" * 64)


def hash_of(spec: Json, pins: Pins | None = None) -> str:
    """The hash of a spec as written."""
    return spec_hash(read_spec(spec), pins or Pins())


def test_the_hash_of_a_known_spec_never_changes() -> None:
    """Published manifests are found again by it; a change here orphans every one of them."""
    assert hash_of(MINIMAL, PINS) == GOLDEN


GOLDEN = "sha256:64c8b5bcbb58846ba45b9dda3753636999b83b574b7608bb0bf36a2d70f2eadc"


def test_order_of_keys_does_not_matter() -> None:
    """JSON objects have no order."""
    assert hash_of(_reversed(FULL)) == hash_of(FULL)


def test_order_of_guards_and_modules_does_not_matter() -> None:
    """Both are sets; whoever applies them may write them in any order."""
    spec = copy.deepcopy(FULL)
    spec["guards"].reverse()
    spec["lora"]["targetModules"].reverse()
    assert hash_of(spec) == hash_of(FULL)


def test_spelling_of_numbers_does_not_matter() -> None:
    """Numbers are hashed by value."""
    spec = copy.deepcopy(FULL)
    spec["training"]["learningRate"] = 0.000005
    spec["lora"]["alpha"] = 32.0
    spec["lora"]["rank"] = 8.0
    assert hash_of(spec) == hash_of(FULL)


def test_written_out_defaults_do_not_matter() -> None:
    """Nor does resolving, however often."""
    spec = read_spec(MINIMAL)
    once = resolve(spec)
    assert spec_hash(once, PINS) == spec_hash(spec, PINS)
    written = {
        **MINIMAL,
        "lora": {"rank": 16, "alpha": 16, "dropout": 0},
        "training": {"epochs": 1, "learningRate": 5e-6, "seed": 42, "warmupRatio": 0.1},
        "method": {"type": "DPO", "dpo": {"beta": 0.1, "losses": [{"type": "Sigmoid"}]}},
        "evaluation": {},
    }
    assert hash_of(written, PINS) == hash_of(MINIMAL, PINS)


def leaves(value: Any, path: Path = ()) -> Iterator[Path]:
    """Paths of the single values in a spec."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, (*path, index))
    else:
        yield path


_DECISIVE = {"model", "dataset", "method", "lora", "training", "guards", "evaluation"}
_PLACE = {"secretRef", "s3", "revision"}


def is_decisive(path: Path) -> bool:
    """What the design says: what decides the result, without secrets and endpoints."""
    if path == ("output", "mergedWeights"):
        return True
    return path[0] in _DECISIVE and not (len(path) > 1 and path[1] in _PLACE)


CHANGED: dict[Path, Json] = {
    ("method", "type"): {"method": {"type": "ORPO"}},
    ("model", "trustRemoteCode"): {"model.trustRemoteCode": False},
    **{
        ("dataset", "filters", index, "type"): {"dataset.filters": [rule]}
        for index, rule in enumerate(FULL["dataset"]["filters"])
    },
    ("model", "revision"): {"model.revision": COMMIT[::-1]},
    ("training", "batchSize"): {"training.batchSize": 32},
    ("training", "microBatchSize"): {"training.microBatchSize": 8},
    ("dataset", "s3", "endpoint"): {"dataset.s3.endpoint": "http://other"},
    ("compute", "gpuResourceName"): {"compute.gpuResourceName": "amd.com/gpu"},
}
"""Where another value of a single field alone would not be valid."""


def changed(path: Path) -> Json:
    """The full spec with another valid value at `path`."""
    spec = copy.deepcopy(FULL)
    if path in CHANGED:
        for dotted, value in CHANGED[path].items():
            put(spec, dotted, value)
        return spec
    parent: Any = spec
    schema: Json = SCHEMA["properties"]["spec"]
    for part in path[:-1]:
        parent = parent[part]
        schema = _child(schema, part)
    schema = _child(schema, path[-1])
    parent[path[-1]] = _other(parent[path[-1]], schema)
    return spec


def _child(schema: Json, part: str | int) -> Json:
    if isinstance(part, int):
        found: Json = schema.get("items", {})
    else:
        found = schema.get("properties", {}).get(part) or schema.get("additionalProperties", {})
    return found


def _other(value: Any, schema: Json) -> Any:
    if "enum" in schema:
        free = {"NonFinite": "Stall", "Overfit": "Entropy", "NonEmpty": "EndsWithPunctuation"}
        return free.get(value) or next(choice for choice in schema["enum"] if choice != value)
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1 if value < schema.get("maximum", 10**9) else value - 1
    if isinstance(value, float):
        return value / 2
    if value.startswith(("16Gi", "32Gi", "50Gi")):
        return "1Gi"
    return value + "x"


@pytest.mark.parametrize("path", list(leaves(FULL)), ids=lambda path: ".".join(map(str, path)))
def test_each_field_changes_the_hash_exactly_if_it_decides_the_result(path: Path) -> None:
    """Every field of a full spec, one at a time."""
    if path[-1] == "EndsWithPunctuation":
        return
    assert (hash_of(changed(path)) != hash_of(FULL)) == is_decisive(path)


@pytest.mark.parametrize("path", list(leaves(FULL["dataset"])), ids=lambda p: ".".join(map(str, p)))
def test_the_digest_of_the_rows_replaces_the_ways_to_name_them(path: Path) -> None:
    """The same rows under another name are the same data."""
    if path[0] == "evalFraction":
        return
    spec = changed(("dataset", *path))
    assert hash_of(spec, PINS) == hash_of(FULL, PINS)
    assert hash_of(spec, PINS) != hash_of(
        spec, Pins(model_commit=COMMIT, data_digest="sha256:" + "1" * 64)
    )


def test_the_commit_of_the_model_decides() -> None:
    """A branch that moved on is another model."""
    assert hash_of(MINIMAL, Pins(model_commit="a")) != hash_of(MINIMAL, Pins(model_commit="b"))


def test_canonical_json_is_the_same_for_equal_values() -> None:
    """Sorted keys, no space, whole floats as integers, nulls left out."""
    assert canonical_json({"b": 1.0, "a": [1e-6, "é", None], "c": None}) == (
        '{"a":[1e-06,"é",null],"b":1}'.encode()
    )


def test_canonical_json_refuses_what_json_cannot_say() -> None:
    """A hash over NaN would differ between programs."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json({"a": float("nan")})


def _reversed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _reversed(item) for key, item in reversed(value.items())}
    if isinstance(value, list):
        return [_reversed(item) for item in value]
    return value
