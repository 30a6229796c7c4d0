"""The status of a PreferenceTrainingJob; written by the operator alone.

Read leniently, because a newer operator may have written more: unknown keys are ignored.
"""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from preftrain_api.report import Artifact, Count, DataReport, Digest, Finding, Metrics, Pins
from preftrain_api.wire import ListOf, Name, Text, WireModel

MAX_ATTEMPTS = 16
"""Attempts kept in the status; the full history lies beside the checkpoints."""
MAX_HISTORY = 8
MAX_FINDINGS = 16


class StatusModel(WireModel):
    """A part of the status: like every wire model, but unknown keys are ignored."""

    model_config = ConfigDict(extra="ignore")


class Condition(StatusModel):
    """One observation, in the form that `kubectl wait` and kstatus understand."""

    type: Annotated[str, Field(max_length=316)]
    status: Literal["True", "False", "Unknown"]
    observed_generation: Annotated[int, Field(ge=-1)]
    last_transition_time: datetime
    reason: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z][A-Za-z0-9]*$")]
    message: Annotated[str, Field(max_length=4096)] = ""


class ResolvedStatus(StatusModel):
    """What the run really uses."""

    pins: Pins | None = None
    spec_hash: Digest | None = None
    fencing: Literal["ConditionalWrites", "None"] | None = None
    """Whether the output's store can keep two publishers apart."""
    settings: Annotated[dict[Name, Text], Field(max_length=128)] | None = None
    """Effective settings by path, for example training.learningRate."""


class ProgressStatus(StatusModel):
    """How far the run is."""

    phase: Name
    step: Count = 0
    total_steps: Count = 0
    percent: Annotated[int, Field(ge=0, le=100)] = 0
    eta_seconds: Annotated[float, Field(ge=0)] | None = None


class Display(StatusModel):
    """What `kubectl get` prints; strings, because columns cannot compute."""

    state: Name | None = None
    progress: Name | None = None
    loss: Name | None = None
    eta: Name | None = None
    accuracy: Name | None = None
    margin: Name | None = None
    node: Name | None = None
    reason: Name | None = None


class AttemptStatus(StatusModel):
    """One attempt to train."""

    number: Annotated[int, Field(ge=1)]
    job: Name
    job_uid: Name | None = None
    pod: Name | None = None
    pod_uid: Name | None = None
    pod_ip: Name | None = None
    node: Name | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    reason: Name | None = None
    exit_code: Annotated[int, Field(ge=0, le=255)] | None = None
    message: Text | None = None
    start_step: Count | None = None
    end_step: Count | None = None
    counted: bool | None = None
    """Whether the attempt counts against maxRetries; absent while it runs."""
    adjustments: Annotated[dict[Name, Text], Field(max_length=16)] | None = None


class RevisionStatus(StatusModel):
    """How an earlier revision ended."""

    run_revision: Annotated[int, Field(ge=1)]
    succeeded: bool
    reason: Name
    start_time: datetime | None = None
    completion_time: datetime | None = None
    artifact: Artifact | None = None


class JobRef(StatusModel):
    """A Job that the operator created for this revision."""

    stage: Literal["Prepare", "Train"]
    name: Name
    uid: Name | None = None
    """Absent between the reservation of the name and the creation."""
    attempt: Annotated[int, Field(ge=0)] = 0


class PreferenceTrainingJobStatus(StatusModel):
    """Everything the operator knows about the current revision."""

    observed_generation: Annotated[int, Field(ge=-1)] = -1
    """Generation of the spec that this status speaks of; -1 before the operator's first look."""
    conditions: Annotated[tuple[Condition, ...], Field(max_length=16), ListOf("type")] = ()
    run_revision: Annotated[int, Field(ge=1)] | None = None
    start_time: datetime | None = None
    """When the run was accepted and the spec frozen."""
    completion_time: datetime | None = None
    first_step_time: datetime | None = None
    resolved: ResolvedStatus | None = None
    data_report: DataReport | None = None
    progress: ProgressStatus | None = None
    display: Display | None = None
    metrics: Metrics | None = None
    findings: Annotated[tuple[Finding, ...], Field(max_length=MAX_FINDINGS)] = ()
    attempts: Annotated[tuple[AttemptStatus, ...], Field(max_length=MAX_ATTEMPTS)] = ()
    retries: Count = 0
    """Attempts that counted against maxRetries."""
    history: Annotated[tuple[RevisionStatus, ...], Field(max_length=MAX_HISTORY)] = ()
    artifact: Artifact | None = None
    gpu_seconds: Annotated[float, Field(ge=0)] | None = None
    job_refs: Annotated[tuple[JobRef, ...], Field(max_length=MAX_ATTEMPTS + 1)] = ()
