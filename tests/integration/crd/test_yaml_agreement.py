"""The command line reads from a manifest what a real API server and kubectl read from it."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
import yaml

from cluster.kubectl import kubectl
from preftrain_api.errors import YamlError
from preftrain_api.kubernetes_yaml import load_manifest
from support.control_plane import ApiServer, install_crd
from support.yaml_cases import NOT_JSON, SCALARS, STRICTER, WELL_FORMED

pytestmark = pytest.mark.integration

_GROUP = "yaml.preftrain.test"
_CRD: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": f"anythings.{_GROUP}"},
    "spec": {
        "group": _GROUP,
        "scope": "Namespaced",
        "names": {"plural": "anythings", "singular": "anything", "kind": "Anything"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "x-kubernetes-preserve-unknown-fields": True,
                    }
                },
            }
        ],
    },
}
_HEAD = f"apiVersion: {_GROUP}/v1\nkind: Anything\nmetadata: {{name: sample}}\n"


@pytest.fixture(scope="module")
def anything(control_plane: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> ApiServer:
    """The API server, with a kind that keeps whatever it is sent."""
    file = tmp_path_factory.mktemp("crd") / "anything.yaml"
    file.write_text(yaml.safe_dump(_CRD))
    install_crd(control_plane.api(), file)
    return control_plane


def posted(server: ApiServer, text: str) -> dict[str, Any] | None:
    """What the API server reads from YAML; None when it refuses it."""
    connection = server.api()._connect()
    try:
        connection.request(
            "POST",
            f"/apis/{_GROUP}/v1/namespaces/default/anythings?dryRun=All&fieldValidation=Strict",
            text.encode(),
            {"Content-Type": "application/yaml", "Accept": "application/json"},
        )
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    return _content(json.loads(content)) if answer.status < 300 else None


def applied(server: ApiServer, text: str) -> dict[str, Any] | None:
    """What arrives at the API server through `kubectl apply`; None when it is refused."""
    command = [str(kubectl()), "--kubeconfig", str(server.kubeconfig), "apply", "-f", "-"]
    done = subprocess.run(
        [*command, "--dry-run=server", "-o", "json"],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    return _content(json.loads(done.stdout)) if done.returncode == 0 else None


def _content(item: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in item.items() if key not in _OWN}


_OWN = frozenset({"apiVersion", "kind", "metadata"})


def exactly(value: Any) -> str:
    """A text that tells 1 from true and from "1", but not 1e20 from 10**20, which are the
    same JSON number.
    """
    return json.dumps(_by_size(value), sort_keys=True)


def _by_size(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _by_size(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_by_size(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**63:
        return float(value)
    return value


def test_scalars_are_read_alike(anything: ApiServer) -> None:
    """All scalars of the table in one object, by POST and through kubectl."""
    lines = [f"s{number}: {text}" for number, text in enumerate(SCALARS)]
    text = _HEAD + "\n".join(lines) + "\n"
    ours = _content(load_manifest(text))
    assert exactly(ours) == exactly({f"s{n}": value for n, value in enumerate(SCALARS.values())})
    assert exactly(posted(anything, text)) == exactly(ours)
    # kubectl leaves fields without a value out when it creates.
    kept = {key: value for key, value in ours.items() if value is not None}
    assert exactly(applied(anything, text)) == exactly(kept)


@pytest.mark.parametrize("text", WELL_FORMED)
def test_structures_are_read_alike(text: str, anything: ApiServer) -> None:
    """Maps, lists, merges, block scalars."""
    ours = load_manifest(text)
    indented = "".join(f"  {line}\n" for line in text.replace("...\n", "").splitlines())
    if text.startswith("---"):
        document = text.replace("---\n", "---\n" + _HEAD, 1)
    else:
        document = f"{_HEAD}v:\n{indented}"
        ours = {"v": ours}
    assert exactly(posted(anything, document)) == exactly(ours)


@pytest.mark.parametrize("text", NOT_JSON)
def test_numbers_that_json_cannot_say_are_refused_alike(text: str, anything: ApiServer) -> None:
    """Infinities and not-a-numbers."""
    document = f"{_HEAD}v: {text}\n"
    with pytest.raises(YamlError):
        load_manifest(document)
    assert posted(anything, document) is None
    assert applied(anything, document) is None


@pytest.mark.parametrize("text", STRICTER)
def test_what_only_the_loader_refuses_is_known(text: str, anything: ApiServer) -> None:
    """The list in the decision record is complete and not out of date."""
    document = f"{_HEAD}{text}\n"
    with pytest.raises(YamlError):
        load_manifest(document)
    assert posted(anything, document) is not None


def test_an_escaped_slash_is_refused_alike(anything: ApiServer) -> None:
    """JSON has it, Kubernetes' reader does not."""
    document = f'{_HEAD}v: "a\\/b"\n'
    with pytest.raises(YamlError):
        load_manifest(document)
    assert posted(anything, document) is None
