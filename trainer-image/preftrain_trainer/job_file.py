"""Reads what a run is told: a user's manifest, or the document that a pod is given.

A manifest on a workstation is the same resource as in a cluster, with `file://` allowed.
"""

import uuid
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from preftrain_api import reading
from preftrain_api.errors import ContractError
from preftrain_api.kubernetes_yaml import load_manifest
from preftrain_api.problems import problems_of
from preftrain_api.resolve import resolve
from preftrain_api.run_spec import RunIdentity, RunSpec
from preftrain_trainer.errors import BadSpec

DEFAULT_NAMESPACE: Final = "local"
_PLACE: Final = frozenset({"uri", "secretRef", "s3"})
"""Members of spec.output that a folder on the command line replaces."""


def read_job(path: Path, output: Path | None) -> RunSpec:
    """The run that the manifest at `path` asks for; `output` replaces its place of output.

    Raises:
        BadSpec: the file cannot be read or is no valid PreferenceTrainingJob.
    """
    try:
        manifest = load_manifest(path.read_text(encoding="utf-8"))
        if output is not None and isinstance(manifest.get("spec"), dict):
            manifest["spec"] = _with_output(manifest["spec"], output)
        job = reading.read_job(manifest, allow_file=True)
    except OSError as error:
        raise BadSpec(f"{path} cannot be read: {error.strerror}; name a manifest") from error
    except UnicodeDecodeError as error:
        raise BadSpec(f"{path} is not UTF-8; save it as UTF-8") from error
    except ContractError as error:
        raise BadSpec(f"{path}: {error}") from error
    identity = RunIdentity(
        namespace=job.namespace or DEFAULT_NAMESPACE,
        name=job.name,
        uid=str(uuid.uuid4()),
        revision=job.spec.run_revision,
        attempt=1,
    )
    return RunSpec(identity=identity, stage="Train", spec=resolve(job.spec))


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


def _with_output(spec: dict[str, Any], folder: Path) -> dict[str, Any]:
    given = spec.get("output")
    kept = given if isinstance(given, dict) else {}
    place = {"uri": f"file://{folder.absolute()}"}
    return {**spec, "output": {**{k: v for k, v in kept.items() if k not in _PLACE}, **place}}
