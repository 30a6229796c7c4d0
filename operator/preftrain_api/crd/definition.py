"""The CustomResourceDefinition around the schema: names, columns, status subresource."""

from typing import Any, Final

import yaml

from preftrain_api.crd.rules import ROOT_RULES
from preftrain_api.crd.structural import structural_schema, validation
from preftrain_api.group import CATEGORY, GROUP, KIND, PLURAL, SHORT_NAME, SINGULAR, VERSION
from preftrain_api.spec import PreferenceTrainingJobSpec
from preftrain_api.status import PreferenceTrainingJobStatus

_DESCRIPTION: Final = (
    "Aligns a language model with preference data and publishes the adapter with the evidence "
    "that it may be trusted."
)
_HEADER: Final = "# Generated from the models in operator/preftrain_api by `make crd`.\n"

Column = tuple[str, str, str, int]
COLUMNS: Final[tuple[Column, ...]] = (
    ("State", "string", ".status.display.state", 0),
    ("Progress", "string", ".status.display.progress", 0),
    ("Loss", "string", ".status.display.loss", 0),
    ("ETA", "string", ".status.display.eta", 0),
    ("Retries", "integer", ".status.retries", 0),
    ("Age", "date", ".metadata.creationTimestamp", 0),
    ("Method", "string", ".spec.method.type", 1),
    ("Accuracy", "string", ".status.display.accuracy", 1),
    ("Margin", "string", ".status.display.margin", 1),
    ("Node", "string", ".status.display.node", 1),
    ("Artifact", "string", ".status.artifact.uri", 1),
    ("Reason", "string", ".status.display.reason", 1),
)
"""What `kubectl get` prints: name, type, JSON path, priority (1: with `-o wide` only)."""


def custom_resource_definition() -> dict[str, Any]:
    """The CustomResourceDefinition of PreferenceTrainingJobs, as plain JSON data."""
    status = structural_schema(PreferenceTrainingJobStatus)
    # Without it kstatus, and so Flux and Helm, take an object that no operator has seen yet
    # for a finished one.
    status["default"] = {"observedGeneration": -1}
    schema = {
        "description": _DESCRIPTION,
        "type": "object",
        "required": ["spec"],
        "x-kubernetes-validations": [validation(rule) for rule in ROOT_RULES],
        "properties": {
            # The field path of the rule on the name needs the field to be declared.
            "metadata": {
                "type": "object",
                "properties": {"name": {"type": "string", "maxLength": 253}},
            },
            "spec": structural_schema(PreferenceTrainingJobSpec),
            "status": status,
        },
    }
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": [_column(*column) for column in COLUMNS],
        "schema": {"openAPIV3Schema": schema},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": SINGULAR,
                "shortNames": [SHORT_NAME],
                "categories": [CATEGORY],
            },
            "versions": [version],
        },
    }


def render() -> str:
    """The text of the generated file."""
    body: str = yaml.dump(
        custom_resource_definition(),
        Dumper=_Dumper,
        sort_keys=False,
        width=100,
        allow_unicode=True,
    )
    return _HEADER + body


def _column(name: str, kind: str, path: str, priority: int) -> dict[str, Any]:
    column: dict[str, Any] = {"name": name, "type": kind, "jsonPath": path}
    return {**column, "priority": priority} if priority else column


class _Dumper(yaml.SafeDumper):
    """Writes shared parts out, because Kubernetes users do not expect YAML anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True
