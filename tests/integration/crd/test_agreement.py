"""Command line and API server accept the same specs, whatever is written."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from preftrain_api.as_stored import stored_number
from preftrain_api.crd import custom_resource_definition
from preftrain_api.errors import SpecError
from preftrain_api.group import API_VERSION, KIND, PLURAL
from preftrain_api.reading import read_spec
from support.control_plane import ApiServer
from support.spec_cases import FULL, MINIMAL

pytestmark = pytest.mark.integration

Json = dict[str, Any]
Path = tuple[str | int, ...]

SCHEMA: Json = custom_resource_definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
SPEC_SCHEMA: Json = SCHEMA["properties"]["spec"]
_GONE = object()


def sites(value: Any, schema: Json | None, path: Path = ()) -> Iterator[tuple[Path, Json | None]]:
    """Every place in a spec, with what the schema says about it; None where it says nothing."""
    yield path, schema
    if isinstance(value, dict):
        known = (schema or {}).get("properties", {})
        every = (schema or {}).get("additionalProperties")
        for key, item in value.items():
            yield from sites(item, known.get(key, every), (*path, key))
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from sites(item, (schema or {}).get("items"), (*path, index))


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 70000),
    st.sampled_from([2**31, 2**53, 2**63 - 1, 2**63, -(2**63), 2**64, 10**30]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0.0, -0.0, 1.0, 0.5, 1e-9, 1e21, 5e-324, 1.7976931348623157e308]),
    st.text(max_size=8),
    st.sampled_from(["", " ", "1", "true", "null", "5e-6", "\n", "\u00a0", "\u2028", "é" * 70]),
    st.sampled_from(["x" * 300, "x" * 1100, "a/b", "A", "-a", "a-", "16Gi", "1.5", "hf://a/b"]),
    st.sampled_from(["s3://b/x", "s3://bucket/x", "pvc://c", "file:///x", "a\n", "a.b", "\x00"]),
    st.just([]),
    st.just({}),
    st.lists(st.sampled_from(["a", "b", 1, None, {}]), max_size=3),
    st.dictionaries(st.sampled_from(["name", "a", "type", "x y"]), st.sampled_from(["a", 1, None])),
)


def inside(schema: Json) -> st.SearchStrategy[Any]:
    """Values within the bounds that the schema sets, so that many specs are accepted."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    low, high = schema.get("minimum", -1000), schema.get("maximum", 1000)
    match schema.get("type"):
        case "integer":
            whole = st.integers(int(low), int(high))
            return st.one_of(whole, whole.map(float), st.sampled_from([low, high]))
        case "number":
            return st.one_of(
                st.floats(low, high), st.integers(int(low), int(high)), st.sampled_from([low, high])
            )
        case "string":
            limit = schema.get("maxLength", 1)
            letters = st.text(alphabet="abz09-./_A", min_size=1, max_size=min(limit, 12))
            return st.one_of(letters, st.sampled_from(["a" * limit, *GOOD_TEXTS]))
        case "boolean":
            return st.booleans()
        case "object":
            return st.sampled_from([{}, None])
        case "array":
            return st.sampled_from([[], ["a"], ["NonEmpty"], None])
    return st.sampled_from([1, 0, "1", "1.5", "500m", "16Gi"])


GOOD_TEXTS = (
    "hf://a/b",
    "s3://bucket/a/b.c",
    "pvc://claim/x",
    "http://host",
    "name",
    "example.com/name",
    "1Gi",
)


def around(schema: Json) -> st.SearchStrategy[Any]:
    """Values at and beside the bounds that the schema sets."""
    choices: list[Any] = [_GONE]
    for bound in ("minimum", "maximum"):
        if bound in schema:
            limit = schema[bound]
            choices += [limit, limit - 1, limit + 1, float(limit), limit - 0.5, limit * (1 + 1e-12)]
    for bound in ("minLength", "maxLength"):
        if bound in schema:
            choices += [text * max(0, schema[bound] + by) for by in (-1, 0, 1) for text in "aä"]
    choices += schema.get("enum", [])
    return st.sampled_from(choices)


@st.composite
def near(draw: st.DrawFn, schema: Json | None) -> Any:
    """Values of which about half fit."""
    how = draw(st.sampled_from(["inside", "inside", "inside", "around", "around", "anything"]))
    if how == "anything" or schema is None:
        return draw(ANYTHING)
    return draw(inside(schema) if how == "inside" else around(schema))


@st.composite
def specs(draw: st.DrawFn) -> Json:
    """A valid spec with one to three places changed, and sometimes a key added."""
    spec = copy.deepcopy(draw(st.sampled_from([FULL, FULL, MINIMAL])))
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
        places = [site for site in sites(spec, SPEC_SCHEMA) if site[0]]
        if draw(st.integers(0, 3)):
            places = [site for site in places if "properties" not in (site[1] or {})]
        path, schema = draw(st.sampled_from(places))
        parent: Any = spec
        for part in path[:-1]:
            parent = parent[part]
        kind = draw(st.sampled_from(["replace", "replace", "replace", "add", "repeat"]))
        if kind == "add" and isinstance(parent, dict):
            known = [key for key, _ in _known(path, spec)]
            name = draw(st.sampled_from([*known, "unknown", "learning_rate", "", "a/b", "Ä"]))
            of = dict(_known(path, spec)).get(name)
            parent[name] = _kept(draw(near(of)))
        elif kind == "repeat" and isinstance(parent, list):
            parent.append(copy.deepcopy(parent[path[-1]]))  # type: ignore[index]
        else:
            value = draw(near(schema))
            if value is _GONE:
                del parent[path[-1]]
            else:
                parent[path[-1]] = copy.deepcopy(value)
    return spec


def _known(path: Path, spec: Json) -> list[tuple[str, Json]]:
    parents = dict(sites(spec, SPEC_SCHEMA))
    return list(((parents.get(path[:-1]) or {}).get("properties") or {}).items())


def _kept(value: Any) -> Any:
    return None if value is _GONE else copy.deepcopy(value)


def as_kubectl(value: Any) -> Any:
    """Plain data as kubectl sends them: whole floats have become integers on the way through
    YAML.
    """
    if isinstance(value, dict):
        return {key: as_kubectl(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_kubectl(item) for item in value]
    return stored_number(value) if isinstance(value, float) else value


class StrictServer:
    """Asks an API server whether it would take a spec, as kubectl sends it, over and over."""

    def __init__(self, server: ApiServer) -> None:
        self._connection = server.api()._connect()

    def refusal(self, spec: Json) -> str:
        """What the API server says; empty when it takes the spec."""
        metadata = {"name": "sample", "namespace": "default"}
        body = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": metadata,
            "spec": as_kubectl(spec),
        }
        path = f"/apis/{API_VERSION}/namespaces/default/{PLURAL}"
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        text = json.dumps(body)
        self._connection.request("POST", f"{path}?dryRun=All&fieldValidation=Strict", text, headers)
        answer = self._connection.getresponse()
        content = json.loads(answer.read())
        return "" if answer.status < 300 else str(content["message"])

    def close(self) -> None:
        """End the connection."""
        self._connection.close()


@pytest.fixture(scope="module")
def strict_server(crd_installed: ApiServer) -> Iterator[StrictServer]:
    """One connection for all examples."""
    server = StrictServer(crd_installed)
    yield server
    server.close()


def refusal_of_models(spec: Json) -> str:
    """What the command line says in its cluster profile; empty when it takes the spec."""
    try:
        read_spec(spec)
    except SpecError as error:
        return str(error)
    return ""


@pytest.mark.case(17)
@settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(spec=specs())
def test_models_and_api_server_accept_the_same_specs(
    spec: Json, strict_server: StrictServer
) -> None:
    """Neither lets pass what the other refuses."""
    ours, theirs = refusal_of_models(spec), strict_server.refusal(spec)
    assert bool(ours) == bool(theirs), (
        f"models: {ours or 'accepted'}\nserver: {theirs or 'accepted'}"
    )
