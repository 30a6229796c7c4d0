"""The generated CRD: up to date, structural, bounded, small, described."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import Field

from preftrain_api.crd import custom_resource_definition, render
from preftrain_api.crd.__main__ import generated_files, main
from preftrain_api.crd.structural import structural_schema
from preftrain_api.wire import WireModel

REPOSITORY = Path(__file__).parents[3]
SCHEMA: dict[str, Any] = custom_resource_definition()["spec"]["versions"][0]["schema"][
    "openAPIV3Schema"
]


def nodes(node: dict[str, Any] = SCHEMA, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every node of the schema with its path."""
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    for key, mark in (("items", "[]"), ("additionalProperties", ".*")):
        if key in node:
            yield from nodes(node[key], path + mark)


@pytest.mark.case(21)
@pytest.mark.parametrize("name", generated_files())
def test_generated_files_match_the_models(name: str) -> None:
    """`make crd` changes nothing."""
    assert (REPOSITORY / name).read_text() == generated_files()[name], "run `make crd`"


def test_generation_is_deterministic() -> None:
    """Two runs write the same bytes."""
    assert render() == render()


def test_check_names_the_stale_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The check fails before the files are there, and passes once they were written."""
    assert main(["--check", "--root", str(tmp_path)]) == 1
    assert "crds/preferencetrainingjobs.yaml does not match the models; run `make crd`" in (
        capsys.readouterr().err
    )
    assert main(["--root", str(tmp_path)]) == 0
    assert main(["--check", "--root", str(tmp_path)]) == 0
    (tmp_path / "docs/reference/reasons.md").write_text("stale")
    assert main(["--check", "--root", str(tmp_path)]) == 1


def test_it_fits_into_the_annotation_of_a_client_side_apply() -> None:
    """Kubernetes allows 256 KiB; half of that leaves room to grow."""
    compact = json.dumps(custom_resource_definition(), separators=(",", ":"))
    assert len(compact) < 100_000


@pytest.mark.fault(34)
def test_everything_has_a_maximum() -> None:
    """Bounds cannot be tightened later, and rules over unbounded parts cost too much."""
    unbounded = [path for path, node in nodes() if not _is_bounded(node)]
    assert not unbounded


def _is_bounded(node: dict[str, Any]) -> bool:
    match node.get("type"):
        case "string":
            return "maxLength" in node or "enum" in node
        case "array":
            return "maxItems" in node
        case "object" if "properties" not in node:
            return "maxProperties" in node
        case None:
            return "maxLength" in node and "maximum" in node
    return True


def test_only_the_status_has_a_default() -> None:
    """Other defaults would be written into users' objects, which GitOps reports as drift."""
    assert [path for path, node in nodes() if "default" in node] == [".status"]
    assert SCHEMA["properties"]["status"]["default"] == {"observedGeneration": -1}


def test_every_node_is_structural() -> None:
    """The rules of structural schemas, as the API conventions list them."""
    for path, node in nodes():
        assert {"$ref", "const", "title", "allOf", "oneOf", "not", "nullable"}.isdisjoint(node), (
            path
        )
        if node.get("x-kubernetes-int-or-string"):
            assert node["anyOf"] == [{"type": "integer"}, {"type": "string"}], path
            continue
        assert node["type"] in ("object", "array", "string", "number", "integer", "boolean"), path
        assert "anyOf" not in node, path
        assert not {"properties", "additionalProperties"} <= node.keys(), path
        assert isinstance(node.get("exclusiveMinimum", False), bool), path
        assert isinstance(node.get("exclusiveMaximum", False), bool), path
        if node["type"] == "array":
            assert node["x-kubernetes-list-type"] in ("atomic", "set", "map"), path
        if node.get("x-kubernetes-list-type") == "map":
            (key,) = node["x-kubernetes-list-map-keys"]
            assert key in node["items"]["required"], path


def test_every_field_is_described() -> None:
    """`kubectl explain` and the reference page have a sentence for everything."""
    silent = [
        path
        for path, node in nodes()
        if re.fullmatch(r"\.(spec|status)(\..*)?[A-Za-z0-9]", path) and "description" not in node
    ]
    assert not silent


def test_optional_fields_of_the_spec_say_their_default() -> None:
    """A value that is not in the object must be in its description."""
    for path, node in nodes():
        is_scalar = node.get("type") in ("string", "number", "integer", "boolean")
        if "enum" in node or node.get("type") == "boolean":
            required = _parent(path).get("required", [])
            if path.startswith(".spec") and path.rpartition(".")[2] not in required and is_scalar:
                assert "[]" in path or "Default:" in node.get("description", ""), path


def _parent(path: str) -> dict[str, Any]:
    return dict(nodes())[path.rpartition(".")[0]]


def test_every_rule_names_a_field_and_says_what_to_do() -> None:
    """Without a field path a refusal would begin with <nil>."""
    for path, node in nodes():
        for rule in node.get("x-kubernetes-validations", ()):
            assert rule["fieldPath"].startswith("."), path
            assert rule["reason"] == "FieldValueInvalid"
            named = rule["fieldPath"].rpartition(".")[2]
            assert named in rule["message"] or named in ("type", "everySeconds"), rule["message"]


class _Fractional(WireModel):
    share: Annotated[float, Field(lt=0.5)]


class _Ambiguous(WireModel):
    either: list[int] | dict[str, int]


@pytest.mark.parametrize("model", [_Fractional, _Ambiguous])
def test_what_an_api_server_would_misread_is_not_generated(model: type[WireModel]) -> None:
    """Fractional exclusive bounds refuse 0; unions have no structural form."""
    with pytest.raises(ValueError, match=model.__name__):
        structural_schema(model)
