"""What a run leaves for others: the data report, and the result in the termination message."""

from pathlib import Path
from typing import Final

from preftrain_api.progress import Progress
from preftrain_api.report import Artifact, DataReport
from preftrain_api.result import PrepareResult, TrainResult, fits

DATA_REPORT: Final = "data_report.json"
DATA_PAGE: Final = "data_report.html"
MESSAGE_CHARACTERS: Final = 1024
SHOWN_FINDINGS: Final = 8
"""The newest ones; what led there stands in the report."""


def data_report_bytes(report: DataReport) -> bytes:
    """`report/data_report.json`."""
    return report.model_dump_json(by_alias=True, exclude_none=True, indent=1).encode() + b"\n"


def refused(message: str, report: DataReport | None, artifact: Artifact | None) -> PrepareResult:
    """The verdict of a prepare step that failed.

    `artifact` is set when, and only when, the place holds another run (ArtifactConflict).
    """
    return PrepareResult(
        verdict="Refused",
        message=message[:MESSAGE_CHARACTERS],
        data_report=report,
        artifact=artifact,
    )


def failed(
    message: str,
    progress: Progress,
    start_step: int,
    gpu_seconds: float | None,
    report: DataReport | None,
    artifact: Artifact | None,
) -> TrainResult:
    """The verdict of an attempt that failed, with how far it came.

    `artifact` is set when, and only when, the place holds another run (ArtifactConflict).
    """
    return TrainResult(
        message=message[:MESSAGE_CHARACTERS],
        step=progress.step,
        total_steps=progress.total_steps,
        start_step=start_step,
        checkpoint_step=progress.checkpoint_step,
        first_step_time=progress.first_step_time,
        gpu_seconds=gpu_seconds,
        metrics=progress.metrics,
        data_report=report,
        artifact=artifact,
        findings=progress.findings[-SHOWN_FINDINGS:],
    )


def write_termination_message(path: Path, result: PrepareResult | TrainResult) -> None:
    """Leave the result where the kubelet reads it when the container ends."""
    path.write_bytes(fits(result))
