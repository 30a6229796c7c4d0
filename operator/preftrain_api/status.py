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
    """What is observed: Accepted, DataReady, Running, Published and so on."""
    status: Literal["True", "False", "Unknown"]
    """Whether it holds."""
    observed_generation: Annotated[int, Field(ge=-1)]
    """Generation of the spec that the observation speaks of."""
    last_transition_time: datetime
    """When the status last changed."""
    reason: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z][A-Za-z0-9]*$")]
    """Why, in one word of the closed list."""
    message: Annotated[str, Field(max_length=4096)] = ""
    """One or two sentences for people."""


class ResolvedStatus(StatusModel):
    """What the run really uses."""

    pins: Pins | None = None
    """Commits and digests that mutable references were resolved to."""
    spec_hash: Digest | None = None
    """Hash of what decides the run's result."""
    fencing: Literal["ConditionalWrites", "None"] | None = None
    """Whether the output's store can keep two publishers apart."""
    settings: Annotated[dict[Name, Text], Field(max_length=128)] | None = None
    """Effective settings by path, for example training.learningRate."""


class ProgressStatus(StatusModel):
    """How far the run is."""

    phase: Name
    """What the pod is doing."""
    step: Count = 0
    """Optimizer steps done."""
    total_steps: Count = 0
    """Optimizer steps in all; 0 while unknown."""
    percent: Annotated[int, Field(ge=0, le=100)] = 0
    """Share of the steps that are done."""
    eta_seconds: Annotated[float, Field(ge=0)] | None = None
    """Estimated seconds of training left."""
    pod_uid: Name | None = None
    """UID of the pod that told it."""
    time: datetime | None = None
    """When it was told."""


class Display(StatusModel):
    """What `kubectl get` prints; strings, because columns cannot compute."""

    state: Name | None = None
    """State of the run in one word."""
    progress: Name | None = None
    """Steps done, of how many."""
    loss: Name | None = None
    """Latest training loss."""
    eta: Name | None = None
    """Estimated time left."""
    accuracy: Name | None = None
    """Latest reward accuracy."""
    margin: Name | None = None
    """Latest reward margin."""
    node: Name | None = None
    """Node of the pod."""
    reason: Name | None = None
    """Reason of the latest state."""


class AttemptStatus(StatusModel):
    """One attempt to train."""

    number: Annotated[int, Field(ge=1)]
    """Counted from 1."""
    job: Name
    """Name of the Job."""
    job_uid: Name | None = None
    """UID of the Job."""
    pod: Name | None = None
    """Name of the pod."""
    pod_uid: Name | None = None
    """UID of the pod."""
    pod_ip: Name | None = None
    """Address of the pod."""
    node: Name | None = None
    """Node of the pod."""
    start_time: datetime | None = None
    """When it started."""
    end_time: datetime | None = None
    """When the attempt ended; where nobody saw its end, when it is last known to have been at
    work."""
    reason: Name | None = None
    """Reason of the latest state."""
    exit_code: Annotated[int, Field(ge=0, le=255)] | None = None
    """Exit code of the trainer; see the reference page."""
    message: Text | None = None
    """Last words of the trainer, or what Kubernetes says of the end."""
    log_tail: Text | None = None
    """The end of the log, where the trainer died without a word of its own."""
    start_step: Count | None = None
    """Step from which the attempt went on."""
    end_step: Count | None = None
    """Step that the attempt reached."""
    counted: bool | None = None
    """Whether the attempt counts against maxRetries; absent while it runs."""
    adjustments: Annotated[dict[Name, Text], Field(max_length=16)] | None = None
    """What was changed for this attempt, for example a smaller micro-batch."""


class RevisionStatus(StatusModel):
    """How an earlier revision ended."""

    run_revision: Annotated[int, Field(ge=1)]
    """Which revision."""
    succeeded: bool
    """Whether it succeeded."""
    reason: Name
    """Why it ended."""
    start_time: datetime | None = None
    """When it started."""
    completion_time: datetime | None = None
    """When it ended."""
    artifact: Artifact | None = None
    """The published adapter."""


class JobRef(StatusModel):
    """A Job that the operator created for this revision."""

    stage: Literal["Prepare", "Train"]
    """What the Job is for."""
    name: Name
    """Name of the Job."""
    uid: Name | None = None
    """Absent between the reservation of the name and the creation."""
    attempt: Annotated[int, Field(ge=0)] = 0
    """Number of the attempt; 0 for prepare."""


class PreferenceTrainingJobStatus(StatusModel):
    """Everything the operator knows about the current revision."""

    observed_generation: Annotated[int, Field(ge=-1)] = -1
    """Generation of the spec that this status speaks of; -1 before the operator's first look."""
    conditions: Annotated[tuple[Condition, ...], Field(max_length=16), ListOf("type")] = ()
    """Observations for people, kubectl wait and GitOps tools."""
    run_revision: Annotated[int, Field(ge=1)] | None = None
    """Revision that this status speaks of."""
    start_time: datetime | None = None
    """When the run was accepted and the spec frozen."""
    completion_time: datetime | None = None
    """When it ended."""
    first_step_time: datetime | None = None
    """When the first optimizer step was done."""
    resolved: ResolvedStatus | None = None
    """What the run really uses."""
    data_report: DataReport | None = None
    """What the audit found in the data."""
    progress: ProgressStatus | None = None
    """How far the run is."""
    display: Display | None = None
    """What kubectl get prints."""
    metrics: Metrics | None = None
    """Latest figures of the training."""
    findings: Annotated[tuple[Finding, ...], Field(max_length=MAX_FINDINGS)] = ()
    """What guards noticed."""
    attempts: Annotated[tuple[AttemptStatus, ...], Field(max_length=MAX_ATTEMPTS)] = ()
    """The latest attempts of this revision."""
    retries: Count = 0
    """Attempts that counted against maxRetries."""
    history: Annotated[tuple[RevisionStatus, ...], Field(max_length=MAX_HISTORY)] = ()
    """How earlier revisions ended."""
    artifact: Artifact | None = None
    """The published adapter."""
    gpu_seconds: Annotated[float, Field(ge=0)] | None = None
    """Seconds for which GPUs were held, over all attempts."""
    job_refs: Annotated[tuple[JobRef, ...], Field(max_length=MAX_ATTEMPTS + 1)] = ()
    """Jobs that the operator created for this revision."""
