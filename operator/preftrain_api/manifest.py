"""`manifest.json`, written last: where it exists, everything it lists exists and is whole."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from preftrain_api.report import (
    Count,
    DataReport,
    Digest,
    Evaluation,
    Finding,
    GateVerdict,
    Metrics,
    Pins,
)
from preftrain_api.run_spec import RunIdentity
from preftrain_api.spec.job import PreferenceTrainingJobSpec
from preftrain_api.wire import Name, Text, WireModel


class ManifestFile(WireModel):
    """One published file."""

    path: Text
    """Relative to the manifest's folder."""
    size: Count
    """Bytes."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Lineage(WireModel):
    """Which base model and data the adapter comes from."""

    model_uri: Text
    dataset_uri: Text
    pins: Pins


class AttemptRecord(WireModel):
    """One attempt, as the trainer knows it."""

    number: Annotated[int, Field(ge=1)]
    pod_uid: Name
    start_step: Count
    end_step: Count
    seconds: Annotated[float, Field(ge=0)]


class MergedWeights(WireModel):
    """How the published merged weights compare to the adapter, on text of the held-out pairs.

    Logits are compared after their mean over the vocabulary was taken off, which changes no
    probability, and in units of their standard deviation.
    """

    dtype: Literal["BF16", "FP16"]
    """Type of the weights."""
    tokens: Count
    """Positions that were compared."""
    largest_difference: Annotated[float, Field(ge=0)]
    """Largest difference of a logit between merged model and adapter."""
    tolerance: Annotated[float, Field(ge=0)]
    """Merged weights that differ by more are not published."""
    largest_effect: Annotated[float, Field(ge=0)]
    """Largest difference of a logit between adapter and base, to hold the other against."""
    retained: float
    """Share of the adapter's change of the weights that is left after rounding to 16 bits."""


class Manifest(WireModel):
    """The evidence that comes with an adapter."""

    api_version: Literal["manifest.preftrain.dev/v1alpha1"] = "manifest.preftrain.dev/v1alpha1"
    identity: RunIdentity
    spec_hash: Digest
    spec: PreferenceTrainingJobSpec
    """The resolved spec."""
    resolved: dict[str, str]
    """What Auto became on the machine that trained."""
    lineage: Lineage
    files: Annotated[tuple[ManifestFile, ...], Field(min_length=1, max_length=4096)]
    versions: dict[str, str]
    """Versions of the libraries that took part."""
    created: datetime
    steps: Count
    """Optimizer steps done."""
    adapter_step: Count | None = None
    """Step whose adapter this is: the last, or the best that was evaluated."""
    metrics: Metrics
    evaluation: Evaluation | None = None
    gates: Annotated[tuple[GateVerdict, ...], Field(max_length=16)] = ()
    withheld: bool = False
    """True when a gate failed and the adapter is kept for inspection only."""
    data_report: DataReport
    findings: Annotated[tuple[Finding, ...], Field(max_length=64)] = ()
    attempts: Annotated[tuple[AttemptRecord, ...], Field(max_length=256)]
    gpu_seconds: Annotated[float, Field(ge=0)] = 0
    merged_weights: MergedWeights | None = None
    """Set when `merged/` is published."""
    environment: dict[str, Any] = Field(default_factory=dict)
    """Hardware the adapter was trained on."""
