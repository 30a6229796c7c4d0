"""Puts together what a manifest says about an adapter. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from preftrain_api.manifest import (
    AttemptRecord,
    Lineage,
    Manifest,
    ManifestFile,
    MergedWeights,
)
from preftrain_api.report import DataReport, Evaluation, Finding, GateVerdict, Metrics, Pins
from preftrain_api.run_spec import RunSpec
from preftrain_api.spec import PreferenceTrainingJobSpec


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything about a trained adapter but its files."""

    run: RunSpec
    pins: Pins
    spec_hash: str
    data_report: DataReport
    resolved: dict[str, str]
    versions: dict[str, str]
    environment: dict[str, Any]
    created: datetime
    steps: int
    metrics: Metrics
    findings: tuple[Finding, ...]
    evaluation: Evaluation | None
    gates: tuple[GateVerdict, ...]
    withheld: bool
    adapter_step: int
    """Step whose adapter this is."""
    attempts: tuple[AttemptRecord, ...]
    """All attempts that led to it."""
    gpu_seconds: float
    """How long they held a GPU."""
    merged: MergedWeights | None = None
    """How merged weights compare to the adapter, when they are published with it."""

    def manifest(self, files: tuple[ManifestFile, ...]) -> Manifest:
        """The manifest that lists `files`."""
        spec = self.run.spec
        return Manifest(
            identity=self.run.identity,
            spec_hash=self.spec_hash,
            spec=_without_environment(spec),
            resolved=self.resolved,
            lineage=Lineage(model_uri=spec.model.uri, dataset_uri=spec.dataset.uri, pins=self.pins),
            files=files,
            versions=self.versions,
            created=self.created,
            steps=self.steps,
            adapter_step=self.adapter_step,
            metrics=self.metrics,
            evaluation=self.evaluation,
            gates=self.gates,
            withheld=self.withheld,
            data_report=self.data_report,
            findings=self.findings,
            attempts=self.attempts,
            gpu_seconds=self.gpu_seconds,
            merged_weights=self.merged,
            environment=self.environment,
        )


def _without_environment(spec: PreferenceTrainingJobSpec) -> PreferenceTrainingJobSpec:
    """The spec without `compute.env`.

    People put tokens there; whoever may read an adapter must not learn them from its manifest.
    """
    if spec.compute is None:
        return spec
    return spec.model_copy(update={"compute": spec.compute.model_copy(update={"env": None})})
