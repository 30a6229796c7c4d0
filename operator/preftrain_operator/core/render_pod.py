"""The pod of a stage: container, volumes, resources, restricted security context."""

from typing import Any, Final

from preftrain_api.group import ANNOTATION_RUN_SPEC
from preftrain_api.places import parse_uri
from preftrain_api.spec import PreferenceTrainingJobSpec
from preftrain_api.spec.compute import ComputeSpec
from preftrain_operator.core.names import Stage
from preftrain_operator.core.observed import CONTAINER
from preftrain_operator.core.situation import Installation

PORT: Final = 8080
RUN_SPEC_DIRECTORY: Final = "/etc/preftrain"
RUN_SPEC_FILE: Final = "run.json"
PREPARE_REQUESTS: Final = {"cpu": "100m", "memory": "256Mi"}
PREPARE_GRACE_SECONDS: Final = 30
CLAIM_GROUP: Final = 65532
"""Group that may write to claimed volumes, whatever user the image runs as."""
_READ_ONLY_PLACES: Final = frozenset({"model", "dataset"})


def pod_spec(
    spec: PreferenceTrainingJobSpec, stage: Stage, installation: Installation
) -> dict[str, Any]:
    """The pod template's spec.

    Args:
        spec: resolved.
        stage: prepare gets no GPU and ignores what selects GPU nodes.
        installation: images and pull policy.
    """
    compute = spec.compute or ComputeSpec()
    volumes, mounts = _volumes(spec, compute, stage)
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        # Otherwise every Service of the namespace becomes an environment variable.
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationGracePeriodSeconds": (
            spec.termination_grace_period_seconds if stage == "Train" else PREPARE_GRACE_SECONDS
        ),
        "containers": [_container(compute, stage, installation, mounts)],
        "volumes": volumes,
        **_scheduling(compute, stage),
    }
    if any("persistentVolumeClaim" in volume for volume in volumes):
        pod["securityContext"] |= {
            "fsGroup": CLAIM_GROUP,
            "fsGroupChangePolicy": "OnRootMismatch",
        }
    return pod


def _container(
    compute: ComputeSpec, stage: Stage, installation: Installation, mounts: list[dict[str, Any]]
) -> dict[str, Any]:
    image = (
        compute.image or installation.trainer_image
        if stage == "Train"
        else installation.prepare_image
    )
    container: dict[str, Any] = {
        "name": CONTAINER,
        "image": image,
        "args": [stage.lower()],
        "env": _environment(compute),
        "ports": [{"name": "http", "containerPort": PORT}],
        "resources": _resources(compute, stage),
        "volumeMounts": mounts,
        # A process that dies without a word leaves the end of its log.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
    }
    if installation.image_pull_policy:
        container["imagePullPolicy"] = installation.image_pull_policy
    return container


def _environment(compute: ComputeSpec) -> list[dict[str, Any]]:
    fixed = {
        "PREFTRAIN_RUN_SPEC": f"{RUN_SPEC_DIRECTORY}/{RUN_SPEC_FILE}",
        "PREFTRAIN_WORK_DIR": "/work",
        "PREFTRAIN_CACHE_DIR": "/cache",
        "HOME": "/cache/home",
        "TMPDIR": "/tmp",  # noqa: S108  # a mount of the pod's own
    }
    # HOME and TMPDIR may be set by the user; PREFTRAIN_* the schema refuses.
    plain = {**fixed, **{variable.name: variable.value for variable in compute.env or ()}}
    downward = {
        "PREFTRAIN_POD_UID": "metadata.uid",
        "PREFTRAIN_POD_NAME": "metadata.name",
        "PREFTRAIN_NODE_NAME": "spec.nodeName",
    }
    return [
        *({"name": name, "value": value} for name, value in plain.items()),
        *(
            {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}
            for name, path in downward.items()
        ),
    ]


def _resources(compute: ComputeSpec, stage: Stage) -> dict[str, Any]:
    if stage == "Prepare":
        return {"requests": dict(PREPARE_REQUESTS)}
    asked = compute.resources
    requests = {**((asked.requests if asked else None) or {})}
    limits = {**((asked.limits if asked else None) or {})}
    if compute.accelerator == "GPU":
        limits[compute.gpu_resource_name] = requests[compute.gpu_resource_name] = 1
    return {key: value for key, value in (("requests", requests), ("limits", limits)) if value}


def _scheduling(compute: ComputeSpec, stage: Stage) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "priorityClassName": compute.priority_class_name,
        "serviceAccountName": compute.service_account_name,
        "tolerations": [item.plain() for item in compute.tolerations or ()] or None,
        "imagePullSecrets": [item.plain() for item in compute.image_pull_secrets or ()] or None,
    }
    if stage == "Train":
        fields |= {
            "nodeSelector": compute.node_selector,
            "affinity": compute.affinity,
            "runtimeClassName": compute.runtime_class_name,
        }
    return {key: value for key, value in fields.items() if value is not None}


def _volumes(
    spec: PreferenceTrainingJobSpec, compute: ComputeSpec, stage: Stage
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Volumes and mounts. A claim is one volume however often it is mounted: kubelets wait
    for ever for a claim that a pod lists twice.
    """
    volumes: dict[str, dict[str, Any]] = {}
    mounts: list[dict[str, Any]] = []

    def add(name: str, source: dict[str, Any], path: str, *, read_only: bool = False) -> None:
        volumes.setdefault(name, {"name": name, **source})
        mount = {"name": name, "mountPath": path}
        mounts.append({**mount, "readOnly": True} if read_only else mount)

    claims: dict[str, str] = {}

    def add_claim(claim: str, path: str, *, read_only: bool = False) -> None:
        name = claims.setdefault(claim, f"claim-{len(claims)}")
        source = {"persistentVolumeClaim": {"claimName": claim}}
        add(name, source, path, read_only=read_only)

    add("run", _run_spec_volume(), RUN_SPEC_DIRECTORY, read_only=True)
    add("work", {"emptyDir": {}}, "/work")
    add("tmp", {"emptyDir": {}}, "/tmp")  # noqa: S108  # a mount of the pod's own
    if stage == "Train":
        add("shm", {"emptyDir": {"medium": "Memory"}}, "/dev/shm")  # noqa: S108
    cache = compute.cache
    if cache is not None and cache.claim_name is not None:
        add_claim(cache.claim_name, "/cache")
    else:
        limit = {"sizeLimit": cache.size_limit} if cache and cache.size_limit else {}
        add("cache", {"emptyDir": limit}, "/cache")
    for place, fields in (
        ("model", spec.model),
        ("dataset", spec.dataset),
        ("checkpoint", spec.checkpoint),
        ("output", spec.output),
    ):
        if fields is None:
            continue
        if fields.secret_ref is not None:
            secret = {"secret": {"secretName": fields.secret_ref.name}}
            path = f"{RUN_SPEC_DIRECTORY}/secrets/{place}"
            add(f"secret-{place}", secret, path, read_only=True)
        uri = parse_uri(fields.uri) if fields.uri else None
        if uri is not None and uri.scheme == "pvc":
            add_claim(uri.root, f"/mnt/preftrain/{place}", read_only=place in _READ_ONLY_PLACES)
    return list(volumes.values()), mounts


def _run_spec_volume() -> dict[str, Any]:
    path = f"metadata.annotations['{ANNOTATION_RUN_SPEC}']"
    return {"downwardAPI": {"items": [{"path": RUN_SPEC_FILE, "fieldRef": {"fieldPath": path}}]}}
