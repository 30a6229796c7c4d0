"""How a pod ended: the container's termination message, at most 4 KiB of JSON.

The exit code says which kind of end it was; the result says the rest. A pod that left no
readable result is judged by its exit code alone.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import Field

from preftrain_api.report import (
    Artifact,
    Count,
    DataReport,
    Digest,
    Evaluation,
    Finding,
    Metrics,
    Pins,
)
from preftrain_api.wire import Name, Text, WireModel

MAX_RESULT_BYTES: Final = 4096
"""The kubelet cuts a termination message there."""


class PrepareResult(WireModel):
    """Verdict of the prepare step."""

    stage: Literal["Prepare"] = "Prepare"
    verdict: Literal["Train", "Adopted", "Refused"]
    message: Text = ""
    """One sentence; for Refused it names the field or file and the way out."""
    pins: Pins | None = None
    spec_hash: Digest | None = None
    data_report: DataReport | None = None
    artifact: Artifact | None = None
    """The existing adapter: the run's own when the verdict is Adopted, another run's that is in
    the way when it is Refused."""
    fencing: Literal["ConditionalWrites", "None"] | None = None
    """Whether the output's store can keep two publishers apart."""


class TrainResult(WireModel):
    """Verdict of an attempt."""

    stage: Literal["Train"] = "Train"
    message: Text = ""
    """One sentence; for failures it names the field or file and the way out."""
    step: Count = 0
    total_steps: Count = 0
    start_step: Count = 0
    """Step from which the attempt went on; 0 for a fresh start."""
    checkpoint_step: Count | None = None
    first_step_time: datetime | None = None
    gpu_seconds: Annotated[float, Field(ge=0)] | None = None
    """Seconds for which this attempt held a GPU."""
    metrics: Metrics = Metrics()
    evaluation: Evaluation | None = None
    gates_judged: bool = False
    """Whether there was a gate to pass; false makes the reason PublishedUnevaluated."""
    data_report: DataReport | None = None
    """Set when prepare was skipped."""
    artifact: Artifact | None = None
    """What was published; after exit code 64, another run's adapter that is in the way."""
    findings: Annotated[tuple[Finding, ...], Field(max_length=8)] = ()
    resolved: Annotated[dict[Name, Text], Field(max_length=32)] | None = None
    """What Auto became: micro-batch size, precision, optimizer, GPU."""


def fits(result: PrepareResult | TrainResult) -> bytes:
    """The termination message for `result`: its JSON, shortened until it fits into 4 KiB.

    Findings go first, from the last one on, then those of the data report, then what Auto
    became; at last the message is cut. What decides about the run always stays.

    Raises:
        ValueError: when even that is too long, because the places' URIs are longer than any
            that a spec allows.
    """
    text = b""
    for candidate in _ever_shorter(result):
        text = candidate.model_dump_json(by_alias=True, exclude_none=True).encode()
        if len(text) <= MAX_RESULT_BYTES:
            return text
    raise ValueError(f"a result of {len(text)} bytes does not fit a termination message")


def _ever_shorter(
    result: PrepareResult | TrainResult,
) -> Iterator[PrepareResult | TrainResult]:
    yield result
    while isinstance(result, TrainResult) and result.findings:
        result = result.model_copy(update={"findings": result.findings[:-1]})
        yield result
    while result.data_report is not None and result.data_report.findings:
        kept = result.data_report.findings[:-1]
        report = result.data_report.model_copy(update={"findings": kept})
        result = result.model_copy(update={"data_report": report})
        yield result
    if isinstance(result, TrainResult):
        result = result.model_copy(update={"resolved": None})
        yield result
    yield result.model_copy(update={"message": result.message[:128]})
