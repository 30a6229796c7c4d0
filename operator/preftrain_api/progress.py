"""What a training pod answers on `/progress`, at most 16 KiB of JSON."""

from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import Field

from preftrain_api.report import Count, Finding, Metrics
from preftrain_api.wire import Name, WireModel

MAX_PROGRESS_BYTES: Final = 16 * 1024

Phase = Literal[
    "Starting",
    "LoadingModel",
    "PreparingData",
    "PrecomputingReference",
    "Training",
    "Evaluating",
    "Exporting",
    "Publishing",
    "Done",
]


class Progress(WireModel):
    """How far a run is."""

    uid: Name
    """UID of the pod that answers, so that a reused address is noticed."""
    phase: Phase
    step: Count = 0
    """Optimizer steps done."""
    total_steps: Count = 0
    """Optimizer steps in all; 0 while unknown."""
    eta_seconds: Annotated[float, Field(ge=0)] | None = None
    """Estimated seconds of training left."""
    first_step_time: datetime | None = None
    checkpoint_step: Count | None = None
    """Step of the newest checkpoint that is safe."""
    metrics: Metrics = Metrics()
    findings: Annotated[tuple[Finding, ...], Field(max_length=16)] = ()

    @property
    def percent(self) -> int:
        """Share of the optimizer steps done, 0 to 100."""
        return 100 * self.step // self.total_steps if self.total_steps else 0
