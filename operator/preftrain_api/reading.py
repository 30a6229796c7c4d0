"""Reads what users wrote into a spec, and says in plain sentences what is wrong with it."""

from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from preftrain_api.errors import InvalidSpecError, NewerSchemaError
from preftrain_api.group import API_VERSION, KIND
from preftrain_api.names import NAME_MESSAGE, NAMESPACE_MESSAGE, is_job_name, is_namespace
from preftrain_api.problems import Problem, problems_of
from preftrain_api.spec import PreferenceTrainingJobSpec
from preftrain_api.wire import ALLOW_FILE

_MEMBERS: Final = ("apiVersion", "kind", "metadata", "spec", "status")


@dataclass(frozen=True, slots=True)
class JobManifest:
    """What a manifest says: which job, and what it shall do."""

    name: str
    namespace: str | None
    spec: PreferenceTrainingJobSpec


def read_job(manifest: dict[str, Any], *, allow_file: bool = False) -> JobManifest:
    """The job that a whole manifest describes; a status in it is ignored.

    Raises:
        NewerSchemaError: it has fields or choices that this release does not know.
        InvalidSpecError: it is of another kind, has no usable name, or its spec is not usable.
    """
    problems = [
        f"{field}: must be {wanted}, not {manifest.get(field)!r}"
        for field, wanted in (("apiVersion", API_VERSION), ("kind", KIND))
        if manifest.get(field) != wanted
    ]
    metadata = manifest.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    name, namespace = metadata.get("name"), metadata.get("namespace")
    if not isinstance(name, str) or not is_job_name(name):
        problems.append(NAME_MESSAGE if name else "metadata.name: is missing")
    if namespace is not None and not isinstance(namespace, str):
        problems.append("metadata.namespace: must be text; put it in quotes")
    elif namespace is not None and not is_namespace(namespace):
        problems.append(NAMESPACE_MESSAGE)
    if problems:
        raise InvalidSpecError(tuple(problems))
    unknown = tuple(key for key in manifest if key not in _MEMBERS)
    if unknown:
        raise NewerSchemaError(
            tuple(f"{key}: unknown field; settings stand under spec" for key in unknown), unknown
        )
    return JobManifest(
        name=str(name),
        namespace=namespace,
        spec=read_spec(manifest.get("spec"), allow_file=allow_file),
    )


def read_spec(raw: Any, *, allow_file: bool = False) -> PreferenceTrainingJobSpec:
    """The spec of an object, from its `spec` as plain JSON data.

    Args:
        raw: what stands under `spec`.
        allow_file: whether file:// places may be used: on a workstation, never in a cluster.

    Raises:
        NewerSchemaError: it has fields or choices that this release does not know.
        InvalidSpecError: it is not usable otherwise.
    """
    try:
        return PreferenceTrainingJobSpec.parse(raw, context={ALLOW_FILE: allow_file})
    except ValidationError as error:
        found = problems_of(error, raw, PreferenceTrainingJobSpec, root="spec")
    unknown = tuple(problem for problem in found if problem.is_unknown)
    if unknown:
        paths = tuple(problem.path for problem in unknown)
        raise NewerSchemaError(_sentences(unknown), paths)
    raise InvalidSpecError(_sentences(found))


def _sentences(problems: tuple[Problem, ...]) -> tuple[str, ...]:
    return tuple(str(problem) for problem in problems)
