"""A run that makes no steps any more. Pure; whoever asks for progress is told.

The process that hangs cannot judge itself, but its HTTP thread can, and so can Prometheus.
"""

from datetime import datetime, timedelta
from typing import Final

from preftrain_api.report import Finding
from preftrain_trainer.guards.rules import Limits

LEAST: Final = timedelta(minutes=15)
"""Evaluations, checkpoints and compiling take minutes without a step."""


def stalled(
    now: datetime, last_step: datetime, median_seconds: float, limits: Limits
) -> Finding | None:
    """A pause since `last_step` that is far longer than a step."""
    pause = now - last_step
    if pause <= max(timedelta(seconds=limits.threshold * median_seconds), LEAST):
        return None
    return Finding(
        name="Stall",
        severity="Warning",
        message=(
            f"no step for {pause.total_seconds() / 60:.0f} minutes, where a step takes "
            f"{median_seconds:.3g} s (threshold {limits.threshold:g} times that, and at least "
            f"{LEAST.total_seconds() / 60:.0f} minutes); look at the pod's log and at its node's "
            "GPU, and delete the pod to go on with another attempt"
        ),
    )
