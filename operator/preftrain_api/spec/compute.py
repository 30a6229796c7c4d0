"""What the training pod runs on. Everything here leaves the result unchanged."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from preftrain_api.group import RESERVED_PREFIXES
from preftrain_api.wire import CelRule, DnsLabel, DnsSubdomain, Quantity, WireModel

LabelKey = Annotated[str, StringConstraints(min_length=1, max_length=317)]
LabelValue = Annotated[
    str, StringConstraints(max_length=63, pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$")
]
ResourceName = Annotated[str, StringConstraints(min_length=1, max_length=317)]
Amount = Quantity | Annotated[int, Field(ge=0)]
AnnotationValue = Annotated[str, StringConstraints(max_length=8192)]
EnvName = Annotated[
    str, StringConstraints(min_length=1, max_length=256, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
]

_ENV_MESSAGE = (
    "env may not set PREFTRAIN_*, AWS_* or HF_TOKEN: those come from the operator and from "
    "the places' secretRef"
)
_RESERVED_ENV = ("PREFTRAIN_", "AWS_", "HF_TOKEN")


def _reserved_message(field: str) -> str:
    return f"{field} may not use the prefixes {', '.join(RESERVED_PREFIXES)}"


def _reserved_rule(field: str) -> CelRule:
    unused = " && ".join(f"!k.startsWith('{prefix}')" for prefix in RESERVED_PREFIXES)
    return CelRule(
        f"!has(self.{field}) || self.{field}.all(k, {unused})",
        _reserved_message(field),
        f".{field}",
    )


class EnvVar(WireModel):
    """A plain environment variable; credentials belong into a Secret."""

    name: EnvName
    value: Annotated[str, StringConstraints(max_length=4096)]


class Toleration(WireModel):
    """As in a pod."""

    key: Annotated[str, StringConstraints(max_length=317)] | None = None
    operator: Literal["Exists", "Equal"] | None = None
    value: Annotated[str, StringConstraints(max_length=253)] | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    toleration_seconds: Annotated[int, Field(ge=0)] | None = None


class Resources(WireModel):
    """As in a container. The GPU is added by the operator."""

    requests: Annotated[dict[ResourceName, Amount], Field(max_length=16)] | None = None
    limits: Annotated[dict[ResourceName, Amount], Field(max_length=16)] | None = None


class LocalObject(WireModel):
    """An object in the job's own namespace."""

    name: DnsSubdomain


class Cache(WireModel):
    """Where downloaded models and compiled kernels are kept."""

    claim_name: DnsSubdomain | None = None
    """A PersistentVolumeClaim that outlives the pod. Default: a folder that ends with the pod."""
    size_limit: Quantity | None = None
    """Limit of that folder. Default: none."""


class ComputeSpec(WireModel):
    """Scheduling and environment of the training pod."""

    cel_rules: ClassVar[tuple[CelRule, ...]] = (
        _reserved_rule("podLabels"),
        _reserved_rule("podAnnotations"),
        CelRule(
            "!has(self.env) || self.env.all(e, "
            + " && ".join(f"!e.name.startsWith('{prefix}')" for prefix in _RESERVED_ENV)
            + ")",
            _ENV_MESSAGE,
            ".env",
        ),
    )

    accelerator: Literal["GPU", "CPU"] = "GPU"
    """CPU is for demos and tests; a job that asks for a GPU never falls back to it.
    Default: GPU."""
    gpu_resource_name: Annotated[str, StringConstraints(min_length=1, max_length=317)] = (
        "nvidia.com/gpu"
    )
    """Extended resource of the one GPU. Default: nvidia.com/gpu."""
    resources: Resources | None = None
    node_selector: Annotated[dict[LabelKey, LabelValue], Field(max_length=32)] | None = None
    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=32)] | None = None
    affinity: Annotated[dict[str, Any], Field(max_length=3)] | None = None
    """As in a pod."""
    priority_class_name: DnsSubdomain | None = None
    runtime_class_name: DnsSubdomain | None = None
    service_account_name: DnsSubdomain | None = None
    """Identity of the pod; its token is not mounted. Default: the namespace's default."""
    pod_labels: Annotated[dict[LabelKey, LabelValue], Field(max_length=32)] | None = None
    pod_annotations: Annotated[dict[LabelKey, AnnotationValue], Field(max_length=32)] | None = None
    env: Annotated[tuple[EnvVar, ...], Field(max_length=64)] | None = None
    image_pull_secrets: Annotated[tuple[LocalObject, ...], Field(max_length=8)] | None = None
    image: (
        Annotated[str, StringConstraints(min_length=1, max_length=512, pattern=r"^[^\s]+$")] | None
    ) = None
    """Trainer image, when the operator's allow-list has it. Default: the installation's."""
    cache: Cache | None = None
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
        if any(variable.name.startswith(_RESERVED_ENV) for variable in self.env or ()):
            raise ValueError(_ENV_MESSAGE)
        return self
