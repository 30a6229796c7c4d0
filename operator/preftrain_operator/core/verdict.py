"""How a pod ended, from its exit code, its termination message and what Kubernetes says.

The exit code is the wire protocol; the message only adds words and figures, so a missing or
damaged one never changes a verdict.
"""

import re
from dataclasses import dataclass
from typing import Final, TypeVar

from preftrain_api.exit_codes import ExitCode
from preftrain_api.reasons import REASON_OF_EXIT_CODE, Reason
from preftrain_api.result import MAX_RESULT_BYTES, PrepareResult, TrainResult
from preftrain_operator.core.conditions import MAX_MESSAGE, clip
from preftrain_operator.core.observed import JobView, PodView
from preftrain_operator.core.reading import read_json, read_leniently

Result = TypeVar("Result", PrepareResult, TrainResult)

FIRST_SIGNAL_CODE: Final = 128
"""Shells and container runtimes report death by signal n as 128 + n."""
_KNOWN_CODES: Final = frozenset(int(code) for code in ExitCode)
_EXIT_CODE_IN_MESSAGE: Final = re.compile(r"failed with exit code (\d{1,3}) matching")


@dataclass(frozen=True, slots=True)
class Ending:
    """One pod's end."""

    reason: Reason
    message: str
    exit_code: int | None = None
    is_final: bool = False
    """Whether another try would end the same way."""
    is_counted: bool = True
    """Whether it counts against maxRetries."""

    @property
    def is_success(self) -> bool:
        """Whether the process did what it should."""
        return self.exit_code == ExitCode.DONE


def ending_of(pod: PodView) -> Ending:
    """The verdict on a pod that has ended."""
    told = spoken(pod.message)
    if pod.exit_code is not None and pod.exit_code in _KNOWN_CODES:
        code = ExitCode(pod.exit_code)
        reason = REASON_OF_EXIT_CODE.get(code, Reason.COMPLETED)
        if code is ExitCode.BAD_SPEC and _names_artifact(pod):
            # The spec is well; its place is taken. Only then does a refusal name an adapter.
            reason = Reason.ARTIFACT_CONFLICT
        return Ending(reason, told or reason.text, code, code.is_final, code.is_counted)
    if pod.disrupted:
        told = told or f"the pod was disrupted on node {pod.node}"
        return Ending(Reason.PREEMPTED, told, pod.exit_code, is_counted=False)
    if pod.ended_by == "OOMKilled":
        return Ending(Reason.OOM_KILLED, Reason.OOM_KILLED.text, pod.exit_code)
    if pod.exit_code is None or pod.exit_code >= FIRST_SIGNAL_CODE:
        # Someone who deletes a pod and has no patience for its grace period is not a failure
        # of the run.
        how = told or pod.ended_by or f"exit code {pod.exit_code}"
        return Ending(Reason.KILLED, how, pod.exit_code, is_counted=not pod.deleting)
    told = told or f"the process ended with the unknown exit code {pod.exit_code}"
    return Ending(Reason.INTERNAL_ERROR, told, pod.exit_code)


def has_evidence(job: JobView, pods: tuple[PodView, ...]) -> bool:
    """Whether the pods that are known explain what the Job controller says. They do not when
    a Job's event overtakes its pods', or when the pods are gone.
    """
    if job.complete:
        return any(pod.has_ended and ending_of(pod).is_success for pod in pods)
    return not job.failed or (bool(pods) and all(pod.has_ended for pod in pods))


def ending_of_failed_job(job: JobView) -> Ending:
    """The verdict on a failed Job whose pods are gone: all that is left is its condition."""
    found = _EXIT_CODE_IN_MESSAGE.search(job.failure_message)
    if job.failure == "PodFailurePolicy" and found and int(found[1]) in _KNOWN_CODES:
        code = ExitCode(int(found[1]))
        reason = REASON_OF_EXIT_CODE.get(code, Reason.INTERNAL_ERROR)
        return Ending(reason, reason.text, code, code.is_final, code.is_counted)
    return Ending(Reason.KILLED, job.failure_message or f"Job {job.name} failed: {job.failure}")


def spoken(termination_message: str) -> str:
    """The sentence in a termination message: the result's own, or the tail of the log that
    the kubelet put there; empty when neither is any good.
    """
    raw = read_json(termination_message, MAX_RESULT_BYTES)
    if isinstance(raw, dict):
        message = raw.get("message")
        return clip(message, MAX_MESSAGE) if isinstance(message, str) else ""
    tail = termination_message.strip()
    return tail if len(tail) <= MAX_MESSAGE else "…" + tail[1 - MAX_MESSAGE :]


def _names_artifact(pod: PodView) -> bool:
    raw = read_json(pod.message, MAX_RESULT_BYTES)
    return isinstance(raw, dict) and bool(raw.get("artifact"))


def result_of(pod: PodView, model: type[Result]) -> Result | None:
    """The result in the pod's termination message, as far as it can be read."""
    raw = read_json(pod.message, MAX_RESULT_BYTES)
    if not isinstance(raw, dict) or raw.get("stage") != model.model_fields["stage"].default:
        return None
    return read_leniently(model, raw)
