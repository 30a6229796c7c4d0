"""The spec of a PreferenceTrainingJob: everything a user can say about a run."""

from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from preftrain_api.spec.compute import ComputeSpec
from preftrain_api.spec.dataset import DatasetSpec
from preftrain_api.spec.method import MethodSpec
from preftrain_api.spec.model import LoraSpec, ModelSpec
from preftrain_api.spec.output import OutputSpec
from preftrain_api.spec.quality import CheckpointSpec, EvaluationSpec, GuardRule
from preftrain_api.spec.training import TrainingSpec
from preftrain_api.wire import CelRule, ListOf, Seconds, WireModel


class PreferenceTrainingJobSpec(WireModel):
    """One alignment of one model with one set of preferences."""

    cel_rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule(
            "!has(oldSelf.managedBy) ? !has(self.managedBy) : "
            "has(self.managedBy) && self.managedBy == oldSelf.managedBy",
            "managedBy cannot be changed; delete the job and create it anew",
            ".managedBy",
        ),
        CelRule(
            "(has(self.runRevision) ? self.runRevision : 1) >= "
            "(has(oldSelf.runRevision) ? oldSelf.runRevision : 1)",
            "runRevision can only be raised",
            ".runRevision",
        ),
    )

    model: ModelSpec
    """The model to align."""
    dataset: DatasetSpec
    """The preference data to align it with."""
    method: MethodSpec
    """How preferences become a loss."""
    output: OutputSpec
    """Where the adapter and its evidence are published."""
    lora: LoraSpec | None = None
    """Shape of the adapter that is trained."""
    training: TrainingSpec | None = None
    """How long, how fast, in which portions."""
    guards: Annotated[tuple[GuardRule, ...], Field(max_length=16), ListOf("name")] | None = None
    """Other thresholds or actions for the guards that watch the run."""
    evaluation: EvaluationSpec | None = None
    """Evaluation on the held-out pairs, and what an adapter must reach to be published."""
    checkpoint: CheckpointSpec | None = None
    """When and where the state of training is saved."""
    compute: ComputeSpec | None = None
    """What the pods run on; nothing here changes the result."""
    suspend: bool = False
    """true saves the state of the run and gives its GPU back; false lets it go on from there.
    Default: false."""
    run_revision: Annotated[int, Field(ge=1, le=9999)] = 1
    """Raise it to run again, with or without other settings, once the run has ended.
    Default: 1."""
    managed_by: Literal["preftrain.dev/operator", "kueue.x-k8s.io/multikueue"] | None = None
    """Which controller runs the job. Default: preftrain.dev/operator."""
    max_retries: Annotated[int, Field(ge=0, le=100)] = 3
    """Attempts that may follow one that failed for a reason that may pass, or whose Job somebody
    else deleted. Preemptions do not count. Default: 3."""
    active_deadline_seconds: Seconds | None = None
    """Running time over all attempts after which the run fails. Default: none."""
    start_deadline_seconds: Seconds | None = None
    """Time from admission to the first running pod after which the run fails. Default: none."""
    ttl_seconds_after_finished: Annotated[int, Field(ge=0, le=31_536_000)] | None = None
    """Time after the end at which the Jobs and pods are deleted; this resource stays.
    Default: never."""
    termination_grace_period_seconds: Annotated[int, Field(ge=1, le=3600)] = 120
    """Time a pod gets to end by itself when it is asked to. Default: 120."""


FREE_FIELDS: Final = frozenset({"suspend", "runRevision", "ttlSecondsAfterFinished"})
"""Spec fields that may change while a run is in progress: runRevision has its own rule."""

FROZEN_FIELDS: Final = tuple(
    sorted(
        {field.alias or name for name, field in PreferenceTrainingJobSpec.model_fields.items()}
        - FREE_FIELDS
    )
)
"""Spec fields that are frozen while `status.startTime` is set."""
