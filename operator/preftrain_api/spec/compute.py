"""What the training pod runs on. Everything here leaves the result unchanged."""

from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from preftrain_api.group import MAX_POD_ANNOTATIONS_BYTES, RESERVED_PREFIXES
from preftrain_api.wire import (
    MAX_SAFE_INTEGER,
    CelRule,
    DnsLabel,
    DnsSubdomain,
    ListOf,
    Quantity,
    WireModel,
)

LABEL_KEY_PATTERN: Final = (
    r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
)
LabelKey = Annotated[str, StringConstraints(max_length=317, pattern=LABEL_KEY_PATTERN)]
LabelValue = Annotated[
    str, StringConstraints(max_length=63, pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$")
]
Amount = Quantity | Annotated[int, Field(ge=0, le=MAX_SAFE_INTEGER)]
"""How much of a resource: 500m, 16Gi, 2."""
AnnotationValue = Annotated[str, StringConstraints(max_length=8192)]
Amounts = Annotated[dict[LabelKey, Amount], Field(max_length=16)]
Labels = Annotated[dict[LabelKey, LabelValue], Field(max_length=32)]
Annotations = Annotated[dict[LabelKey, AnnotationValue], Field(max_length=32)]
EnvName = Annotated[
    str, StringConstraints(min_length=1, max_length=256, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
]

_ENV_MESSAGE = (
    "env may not set PREFTRAIN_*, AWS_* or HF_TOKEN: those come from the operator and from "
    "the places' secretRef; only AWS_CA_BUNDLE is free"
)
_RESERVED_ENV = ("PREFTRAIN_", "AWS_", "HF_TOKEN")
_FREE_ENV = "AWS_CA_BUNDLE"
"""Names the certificate of a private authority, which no other field can."""


def _reserved_message(field: str) -> str:
    return f"{field} may not use the prefixes {', '.join(RESERVED_PREFIXES)}"


def _reserved_rule(field: str) -> CelRule:
    unused = " && ".join(f"!k.startsWith('{prefix}')" for prefix in RESERVED_PREFIXES)
    return CelRule(
        f"!has(self.{field}) || self.{field}.all(k, {unused})",
        _reserved_message(field),
        f".{field}",
    )


def _key_rule(field: str) -> CelRule:
    """The API server's schema has no place for the keys of a map; this stands in for it."""
    return CelRule(
        f"!has(self.{field}) || self.{field}.all(k, k.matches('{LABEL_KEY_PATTERN}'))",
        f"keys of {field} must be names like team or example.com/team",
        f".{field}",
    )


_ANNOTATIONS_RULE = CelRule(
    "!has(self.podAnnotations) || self.podAnnotations.map(k, size(k) + "
    f"size(self.podAnnotations[k])).sum() <= {MAX_POD_ANNOTATIONS_BYTES}",
    f"podAnnotations may hold {MAX_POD_ANNOTATIONS_BYTES} characters in all; shorten them",
    ".podAnnotations",
)


class EnvVar(WireModel):
    """A plain environment variable; credentials belong into a Secret."""

    name: EnvName
    """Name of the variable."""
    value: Annotated[str, StringConstraints(max_length=4096)]
    """Its value, taken as it stands."""


class Toleration(WireModel):
    """A taint of nodes that the pod bears."""

    key: Annotated[str, StringConstraints(max_length=317)] | None = None
    """Key of the taint. Default: any, with the operator Exists."""
    operator: Literal["Exists", "Equal"] | None = None
    """How the taint's value is compared. Default: Equal."""
    value: Annotated[str, StringConstraints(max_length=253)] | None = None
    """Value of the taint."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """Effect of the taint. Default: any."""
    toleration_seconds: Annotated[int, Field(ge=0, le=MAX_SAFE_INTEGER)] | None = None
    """With NoExecute: seconds for which the taint is borne. Default: for ever."""


class Resources(WireModel):
    """Resources of the trainer's container. The GPU is added by the operator."""

    cel_rules: ClassVar[tuple[CelRule, ...]] = (_key_rule("requests"), _key_rule("limits"))

    requests: Amounts | None = None
    """What the scheduler reserves, for example cpu: 4 and memory: 16Gi."""
    limits: Amounts | None = None
    """What the container may use at most."""


class LocalObject(WireModel):
    """An object in the job's own namespace."""

    name: DnsSubdomain
    """Name of the object."""


class Cache(WireModel):
    """Where downloaded models and compiled kernels are kept."""

    claim_name: DnsSubdomain | None = None
    """A PersistentVolumeClaim that outlives the pod. Default: a folder that ends with the pod."""
    size_limit: Quantity | None = None
    """Limit of that folder. Default: none."""


class ComputeSpec(WireModel):
    """Scheduling and environment of the training pod."""

    cel_rules: ClassVar[tuple[CelRule, ...]] = (
        _key_rule("nodeSelector"),
        _key_rule("podLabels"),
        _key_rule("podAnnotations"),
        _reserved_rule("podLabels"),
        _reserved_rule("podAnnotations"),
        _ANNOTATIONS_RULE,
        CelRule(
            f"!has(self.env) || self.env.all(e, e.name == '{_FREE_ENV}' || ("
            + " && ".join(f"!e.name.startsWith('{prefix}')" for prefix in _RESERVED_ENV)
            + "))",
            _ENV_MESSAGE,
            ".env",
        ),
    )

    accelerator: Literal["GPU", "CPU"] = "GPU"
    """CPU is for demos and tests; a job that asks for a GPU never falls back to it.
    Default: GPU."""
    gpu_resource_name: LabelKey = "nvidia.com/gpu"
    """Extended resource of the one GPU. Default: nvidia.com/gpu."""
    resources: Resources | None = None
    """CPU, memory and other resources of the trainer's container."""
    node_selector: Labels | None = None
    """Labels that the node must have."""
    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=32)] | None = None
    """Taints of nodes that the pod bears."""
    affinity: Annotated[dict[str, Any], Field(max_length=3)] | None = None
    """Affinity of the pod: nodeAffinity, podAffinity, podAntiAffinity, as in a pod."""
    priority_class_name: DnsSubdomain | None = None
    """PriorityClass of the pod. Default: the cluster's."""
    runtime_class_name: DnsSubdomain | None = None
    """RuntimeClass of the pod. Default: the node's."""
    service_account_name: DnsSubdomain | None = None
    """Identity of the pod; its token is not mounted. Default: the namespace's default."""
    pod_labels: Labels | None = None
    """Labels that the pods get in addition."""
    pod_annotations: Annotations | None = None
    """Annotations that the pods get in addition, 32 KiB in all."""
    env: Annotated[tuple[EnvVar, ...], Field(max_length=64), ListOf("name")] | None = None
    """Environment variables of the trainer, for example NCCL_DEBUG."""
    image_pull_secrets: (
        Annotated[tuple[LocalObject, ...], Field(max_length=8), ListOf("name")] | None
    ) = None
    """Secrets with which the images are pulled."""
    image: Annotated[str, StringConstraints(max_length=512, pattern=r"^[!-~]+$")] | None = None
    """Trainer image, when the operator's allow-list has it. Default: the installation's."""
    cache: Cache | None = None
    """Where downloaded models and compiled kernels are kept."""
    queue_name: DnsLabel | None = None
    """Kueue queue that admits the training Job."""

    @model_validator(mode="after")
    def _nothing_reserved(self) -> Self:
        for field, keys in (
            ("podLabels", self.pod_labels or {}),
            ("podAnnotations", self.pod_annotations or {}),
        ):
            if any(key.startswith(RESERVED_PREFIXES) for key in keys):
                raise ValueError(_reserved_message(field))
        annotations = (self.pod_annotations or {}).items()
        if sum(len(key) + len(value) for key, value in annotations) > MAX_POD_ANNOTATIONS_BYTES:
            raise ValueError(_ANNOTATIONS_RULE.message)
        names = [variable.name for variable in self.env or () if variable.name != _FREE_ENV]
        if any(name.startswith(_RESERVED_ENV) for name in names):
            raise ValueError(_ENV_MESSAGE)
        return self
