"""What a checkpoint says about itself: `resume.json`, written last into its folder.

A folder without it, or with a file that is not what it says, is no checkpoint.
"""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from preftrain_api.manifest import AttemptRecord, ManifestFile
from preftrain_api.report import Count, Digest, Finding
from preftrain_api.wire import WireModel

RESUME: Final = "resume.json"
ADAPTER: Final = "adapter_model.safetensors"
"""The trained weights; the name under which the training library looks for them."""
BEST_ADAPTER: Final = "best_adapter.safetensors"
"""The best evaluated adapter where that is an earlier one. Not in a folder of its own, because
the training library would take that for a second adapter and load it in place of the first."""
STEPS: Final = "metrics.jsonl"
"""The log of all steps up to this one."""
EVALUATIONS: Final = "evaluations.jsonl"
"""The log of all evaluations up to this step, once there is one."""

API_GROUP: Final = "checkpoint.preftrain.dev/"
"""How `apiVersion` begins in every release."""

MAX_ATTEMPTS: Final = 256

Precision = Literal["BF16", "FP16", "FP32"]


class RunKey(WireModel):
    """What must be the same for a run to go on from a checkpoint."""

    spec_hash: Digest
    data_digest: Digest
    micro_batch_size: Annotated[int, Field(ge=1)]
    precision: Precision


class Selection(WireModel):
    """What the evaluations so far came to."""

    evaluated_step: Count = 0
    """Step of the newest evaluation."""
    best_step: Count | None = None
    """Step of the best adapter; None before the first evaluation."""
    best_value: float | None = None
    """What the watched figure was there."""
    without_improvement: Count = 0
    """Evaluations in a row that were not better by enough."""
    ended: bool = False
    """Whether training ends here, before its last step."""


class ResumeState(WireModel):
    """The content of `resume.json`."""

    api_version: Literal["checkpoint.preftrain.dev/v1alpha1"] = "checkpoint.preftrain.dev/v1alpha1"
    key: RunKey
    step: Annotated[int, Field(ge=1)]
    """Optimizer steps done; the state is that of the end of this step."""
    total_steps: Count
    examples: Count
    """Position in the order of the training examples."""
    files: Annotated[tuple[ManifestFile, ...], Field(min_length=1, max_length=64)]
    adapter_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """Digest over names, shapes and values of the adapter's tensors."""
    last_record: dict[str, Any]
    """The figures of this step."""
    guard_state: dict[str, Any] = Field(default_factory=dict)
    """What the guards remember."""
    selection: Selection = Selection()
    findings: Annotated[tuple[Finding, ...], Field(max_length=16)] = ()
    """What was noticed so far."""
    first_step_time: datetime | None = None
    attempts: Annotated[tuple[AttemptRecord, ...], Field(max_length=MAX_ATTEMPTS)]
    """All attempts that led here, this one last."""
    tokens: float | None = None
    """Tokens that went through the model in all attempts; None where they are not counted."""
    gpu_seconds: Annotated[float, Field(ge=0)] = 0
    """How long the attempts held a GPU, up to here."""
    versions: dict[str, str]
    environment: dict[str, Any]
