"""Condition types and the closed list of their reasons.

A reason is API: users script against it. Each carries one sentence for the generated
reference page that says what happened and what to do.
"""

from enum import StrEnum

from preftrain_api.exit_codes import ExitCode


class ConditionType(StrEnum):
    """Types of the entries of `status.conditions`."""

    ACCEPTED = "Accepted"
    DATA_READY = "DataReady"
    RUNNING = "Running"
    PUBLISHED = "Published"
    SUSPENDED = "Suspended"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"


class Reason(StrEnum):
    """Why a condition has its status; the value is the CamelCase name, `text` explains."""

    text: str

    def __new__(cls, value: str, text: str) -> "Reason":
        """A member that is its name and carries its explanation."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.text = text
        return member

    ACCEPTED = "Accepted", "The spec is valid and the run has been started."
    STARTED = "Started", "Told in an Event: the run has begun and its spec is frozen."
    NEWER_SCHEMA = (
        "NewerSchema",
        "The spec has a field that this operator does not know; upgrade the operator.",
    )
    UNSUPPORTED = (
        "Unsupported",
        "The spec asks for something that this release does not do yet; the message names the "
        "field.",
    )
    SPEC_TOO_LARGE = (
        "SpecTooLarge",
        "The resolved spec exceeds 64 KiB; shorten the part that the message names.",
    )
    IMAGE_NOT_ALLOWED = (
        "ImageNotAllowed",
        "compute.image is not on the operator's allow-list; remove it or ask the platform team.",
    )
    PREPARING = "Preparing", "Model, data and output are being checked; no GPU is held."
    PREPARED = "Prepared", "Model and data are pinned, the data passed the audit."
    PREPARE_SKIPPED = "PrepareSkipped", "dataset.audit.policy is Skip: nothing was checked first."
    ADOPTED_EXISTING_ARTIFACT = (
        "AdoptedExistingArtifact",
        "An adapter of exactly this run was already published; nothing was trained.",
    )
    ARTIFACT_CONFLICT = (
        "ArtifactConflict",
        "This revision's place already holds the adapter of another run; raise runRevision.",
    )
    PENDING = "Pending", "The training pod is not running yet."
    QUEUED = "Queued", "The queue has not admitted the training Job yet."
    TRAINING = "Training", "The training pod is at work."
    RETRYING = "Retrying", "The last attempt failed for a reason that may pass; another follows."
    PREEMPTED = "Preempted", "The attempt was interrupted; another follows and is not counted."
    JOB_DELETED = (
        "JobDeleted",
        "The Job was deleted by somebody else while the run was in progress; the attempt counts "
        "against spec.maxRetries, and another follows while it allows one. To pause a run, set "
        "spec.suspend.",
    )
    SUSPENDING = "Suspending", "The training pod has been asked to end."
    SUSPENDED = "Suspended", "spec.suspend is true; set it to false to go on."
    NOT_SUSPENDED = "NotSuspended", "spec.suspend is false."
    PUBLISHED = "Published", "The adapter is published and its manifest written."
    PUBLISHED_UNEVALUATED = (
        "PublishedUnevaluated",
        "The adapter is published, but there were too few held-out pairs to judge it; hold out "
        "at least 100 or set gates.",
    )
    NOT_PUBLISHED = "NotPublished", "There is no published adapter."
    IN_PROGRESS = "InProgress", "The run has not ended."
    COMPLETED = "Completed", "The run has ended."
    BAD_SPEC = "BadSpec", "The trainer refused the spec; the message names the field."
    DATA_REFUSED = "DataRefused", "The data cannot be trained on; see status.dataReport."
    MODEL_UNAVAILABLE = (
        "ModelUnavailable",
        "The model cannot be loaded; check model.uri, model.revision and model.secretRef.",
    )
    OBJECT_STORE_UNAVAILABLE = (
        "ObjectStoreUnavailable",
        "A place cannot be reached or written; check its uri, s3 options and secretRef.",
    )
    INTERNAL_ERROR = "InternalError", "The trainer failed; see the attempt's log tail."
    GPU_UNAVAILABLE = (
        "GpuUnavailable",
        "The pod has no usable GPU; check the node's driver, or set compute.accelerator to CPU.",
    )
    GUARD_STOPPED = "GuardStopped", "A guard ended the run; see status.findings."
    OUT_OF_GPU_MEMORY = (
        "OutOfGpuMemory",
        "The GPU's memory was exhausted; lower training.microBatchSize or training.maxLength.",
    )
    GATES_NOT_PASSED = (
        "GatesNotPassed",
        "The adapter was trained but failed a gate; it is kept under withheld/.",
    )
    OOM_KILLED = "OOMKilled", "The node's memory limit was exceeded; raise compute.resources."
    KILLED = "Killed", "The process was killed; see the attempt's exit code."
    END_UNSEEN = (
        "EndUnseen",
        "The pod ended and was removed while no operator looked, so its exit code is not known; "
        "look into the logs that are collected elsewhere.",
    )
    NODE_LOST = (
        "NodeLost",
        "The pod's node stopped answering, went away or was emptied; once Kubernetes has ended "
        "the pod, another attempt follows, which is not counted.",
    )
    EVICTED = (
        "Evicted",
        "The node ended the pod because disk or memory ran short there, or because a volume "
        "outgrew its limit; raise compute.cache.sizeLimit or the limits in compute.resources.",
    )
    POD_REJECTED = (
        "PodRejected",
        "The node refused the pod that was bound to it, for example because what it asks for was "
        "taken meanwhile; another attempt follows.",
    )
    BACKOFF_LIMIT_EXCEEDED = (
        "BackoffLimitExceeded",
        "All attempts that spec.maxRetries allows have failed; the message names the last failure.",
    )
    DEADLINE_EXCEEDED = "DeadlineExceeded", "spec.activeDeadlineSeconds has passed."
    START_DEADLINE_EXCEEDED = (
        "StartDeadlineExceeded",
        "No pod was running within spec.startDeadlineSeconds.",
    )
    IMAGE_PULL_FAILED = (
        "ImagePullFailed",
        "The node cannot pull the image that the message names; check that it exists, and "
        "compute.imagePullSecrets.",
    )
    UNSCHEDULABLE = (
        "Unschedulable",
        "No node fits the pod, as the scheduler says in the message; free or add a node, or "
        "correct compute.resources, nodeSelector, tolerations or affinity.",
    )
    SECRET_MISSING = (
        "SecretMissing",
        "A Secret that a place refers to, or a key in it, is not there; create it, and the run "
        "goes on.",
    )
    VOLUME_NOT_READY = (
        "VolumeNotReady",
        "A volume that the pod mounts, or its network, is not there yet; the message says what is "
        "missing, or names the claims and Secrets to check. Create it, and the run goes on.",
    )
    CONTAINER_NOT_STARTED = (
        "ContainerNotStarted",
        "The node cannot start the container, for example because its image runs as root; the "
        "message is the node's. Correct compute.image or the policy.",
    )
    QUOTA_EXCEEDED = (
        "QuotaExceeded",
        "The namespace's quota does not allow the Job or its pod; raise it or delete what uses "
        "it up, and the run goes on.",
    )
    SERVICE_ACCOUNT_MISSING = (
        "ServiceAccountMissing",
        "compute.serviceAccountName is not there, so no pod can be made; create it, and the run "
        "goes on.",
    )
    ADMISSION_REJECTED = (
        "AdmissionRejected",
        "An admission policy refused the Job or its pod; correct what the message names, and the "
        "run goes on.",
    )
    NAME_TAKEN = (
        "NameTaken",
        "A Job of the name that this run needs exists and belongs to another owner; delete it or "
        "wait until it is gone.",
    )
    FIRST_SEEN = "FirstSeen", "The operator has seen the resource and not judged it yet."
    SUCCEEDED = "Succeeded", "The run has succeeded."


REASON_OF_EXIT_CODE: dict[ExitCode, Reason] = {
    ExitCode.BAD_SPEC: Reason.BAD_SPEC,
    ExitCode.DATA_REFUSED: Reason.DATA_REFUSED,
    ExitCode.MODEL_UNAVAILABLE: Reason.MODEL_UNAVAILABLE,
    ExitCode.OBJECT_STORE_UNAVAILABLE: Reason.OBJECT_STORE_UNAVAILABLE,
    ExitCode.INTERNAL: Reason.INTERNAL_ERROR,
    ExitCode.NO_USABLE_GPU: Reason.GPU_UNAVAILABLE,
    ExitCode.PREEMPTED: Reason.PREEMPTED,
    ExitCode.GUARD_STOPPED: Reason.GUARD_STOPPED,
    ExitCode.OUT_OF_GPU_MEMORY: Reason.OUT_OF_GPU_MEMORY,
    ExitCode.GATES_NOT_PASSED: Reason.GATES_NOT_PASSED,
}
"""What the operator reports for each way in which a trainer may end unsuccessfully."""
