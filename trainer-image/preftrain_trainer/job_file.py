"""Reads what a run is told: a user's manifest, or the document that a pod is given.

A manifest on a workstation is the same resource as in a cluster, with `file://` allowed.
"""

import re
import uuid
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from preftrain_api.errors import ContractError
from preftrain_api.group import API_VERSION, KIND, MAX_NAME_CHARACTERS
from preftrain_api.problems import problems_of
from preftrain_api.reading import read_spec
from preftrain_api.resolve import resolve
from preftrain_api.run_spec import RunIdentity, RunSpec
from preftrain_api.yaml12 import load_manifest
from preftrain_trainer.errors import BadSpec

DEFAULT_NAMESPACE: Final = "local"
_TOP: Final = frozenset({"apiVersion", "kind", "metadata", "spec", "status"})
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_PLACE: Final = frozenset({"uri", "secretRef", "s3"})
"""Members of spec.output that a folder on the command line replaces."""


def read_job(path: Path, output: Path | None) -> RunSpec:
    """The run that the manifest at `path` asks for; `output` replaces its place of output.

    Raises:
        BadSpec: the file cannot be read or is no valid PreferenceTrainingJob.
    """
    try:
        raw = load_manifest(path.read_text(encoding="utf-8"))
        name, namespace = _identity(raw)
        spec_data = raw.get("spec")
        if output is not None and isinstance(spec_data, dict):
            spec_data = _with_output(spec_data, output)
        spec = read_spec(spec_data, allow_file=True)
    except OSError as error:
        raise BadSpec(f"{path} cannot be read: {error.strerror}; name a manifest") from error
    except UnicodeDecodeError as error:
        raise BadSpec(f"{path} is not UTF-8; save it as UTF-8") from error
    except ContractError as error:
        raise BadSpec(f"{path}: {error}") from error
    identity = RunIdentity(
        namespace=namespace,
        name=name,
        uid=str(uuid.uuid4()),
        revision=spec.run_revision,
        attempt=1,
    )
    return RunSpec(identity=identity, stage="Train", spec=resolve(spec))


def read_run_spec(path: Path) -> RunSpec:
    """The document that the operator mounts into a pod.

    Raises:
        BadSpec: it is missing or of another release than this image.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise BadSpec(
            f"{path} cannot be read: {error.strerror}; the operator mounts it into pods, on a "
            "workstation use 'preftrain run'"
        ) from error
    try:
        return RunSpec.model_validate_json(text)
    except ValidationError as error:
        problems = "; ".join(map(str, problems_of(error, None, RunSpec)))
        raise BadSpec(
            f"{path}: {problems}; operator and trainer image must be of the same release"
        ) from error


def _identity(raw: dict[str, Any]) -> tuple[str, str]:
    for key, expected in (("apiVersion", API_VERSION), ("kind", KIND)):
        if raw.get(key) != expected:
            raise ContractError(f"{key} must be {expected}, not {raw.get(key)!r}")
    unknown = sorted(raw.keys() - _TOP)
    if unknown:
        raise ContractError(f"{unknown[0]}: unknown field; settings of the job stand under spec")
    metadata = raw.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    name, namespace = metadata.get("name"), metadata.get("namespace", DEFAULT_NAMESPACE)
    for key, value, longest in (("name", name, MAX_NAME_CHARACTERS), ("namespace", namespace, 63)):
        if not isinstance(value, str) or not _NAME.fullmatch(value) or len(value) > longest:
            raise ContractError(
                f"metadata.{key}: must be at most {longest} lower-case letters, digits and dashes, "
                f"not {value!r}"
            )
    return str(name), str(namespace)


def _with_output(spec: dict[str, Any], folder: Path) -> dict[str, Any]:
    given = spec.get("output")
    kept = given if isinstance(given, dict) else {}
    place = {"uri": f"file://{folder.absolute()}"}
    return {**spec, "output": {**{k: v for k, v in kept.items() if k not in _PLACE}, **place}}
