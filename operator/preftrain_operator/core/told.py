"""What a training pod says of itself, while it runs and at its end, entered into the status."""

from preftrain_api.result import TrainResult
from preftrain_api.status import (
    MAX_FINDINGS,
    PreferenceTrainingJobStatus,
    ProgressStatus,
    ResolvedStatus,
)
from preftrain_operator.core.observed import Report


def with_progress(
    status: PreferenceTrainingJobStatus, report: Report
) -> PreferenceTrainingJobStatus:
    """`status` with what the pod answered on /progress."""
    progress = report.progress
    shown = ProgressStatus(
        phase=progress.phase,
        step=progress.step,
        total_steps=progress.total_steps,
        percent=min(100, progress.percent),
        eta_seconds=progress.eta_seconds,
        pod_uid=report.pod_uid,
        time=report.time,
    )
    return status.model_copy(
        update={
            "progress": shown,
            "metrics": progress.metrics,
            "findings": progress.findings[:MAX_FINDINGS],
            "first_step_time": status.first_step_time or progress.first_step_time,
        }
    )


def with_result(
    status: PreferenceTrainingJobStatus, result: TrainResult
) -> PreferenceTrainingJobStatus:
    """`status` with the result that the pod left.

    A pod that ended before it knew its steps leaves what an earlier one has reached.
    """
    before = status.resolved or ResolvedStatus()
    settings = {**(before.settings or {}), **(result.resolved or {})}
    reached: dict[str, object] = {}
    if result.total_steps or status.progress is None:
        percent = min(100, 100 * result.step // result.total_steps) if result.total_steps else 0
        reached["progress"] = ProgressStatus(
            phase="Done", step=result.step, total_steps=result.total_steps, percent=percent
        )
        reached["metrics"] = result.metrics
    return status.model_copy(
        update={
            **reached,
            "findings": result.findings or status.findings,
            "data_report": result.data_report or status.data_report,
            "resolved": before.model_copy(update={"settings": settings or None}),
        }
    )
