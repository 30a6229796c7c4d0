"""How a pod ended, from its exit code, its termination message and what Kubernetes says.

The exit code is the wire protocol; the message only adds words and figures, so a missing or
damaged one never changes a verdict.
"""

import re
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from preftrain_api.exit_codes import ExitCode
from preftrain_api.reasons import REASON_OF_EXIT_CODE, Reason
from preftrain_api.result import MAX_RESULT_BYTES, PrepareResult, TrainResult
from preftrain_operator.core.conditions import MAX_MESSAGE, clip
from preftrain_operator.core.last_words import last_line, tail
from preftrain_operator.core.observed import JobView, PodView
from preftrain_operator.core.reading import read_json, read_leniently

Result = TypeVar("Result", PrepareResult, TrainResult)

FIRST_SIGNAL_CODE: Final = 128
"""Shells and container runtimes report death by signal n as 128 + n."""
EVICTED: Final = "Evicted"
_LOST_NODE: Final = frozenset({"DeletionByTaintManager", "DeletionByPodGC"})
"""Why pods are disrupted whose node is tainted, for example as unreachable, or gone."""
_TAKEN_AWAY: Final = {
    Reason.NODE_LOST: "the pod's node stopped answering, went away or was emptied",
    Reason.EVICTED: "the node ended the pod because something ran short there",
}
_KNOWN_CODES: Final = frozenset(int(code) for code in ExitCode)
_EXIT_CODE_IN_MESSAGE: Final = re.compile(r"failed with exit code (\d{1,3}) matching")


@dataclass(frozen=True, slots=True)
class Ending:
    """One pod's end."""

    reason: Reason
    message: str
    exit_code: int | None = None
    log_tail: str = ""
    """The end of the log, where the process died without a word of its own."""
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
    told, log_tail = spoken(pod.message), ""
    if told is None:
        log_tail = tail(pod.message)
        told = last_line(log_tail)
    ending = _ending(pod, told)
    return ending if ending.is_success else replace(ending, log_tail=log_tail)


def _ending(pod: PodView, told: str) -> Ending:
    code = ExitCode(pod.exit_code) if pod.exit_code in _KNOWN_CODES else None
    # The order of the Job's pod failure policy, so that both count the same attempts.
    if code is not None and (code.is_final or not code.is_counted or not pod.disruption):
        reason = REASON_OF_EXIT_CODE.get(code, Reason.COMPLETED)
        if code is ExitCode.BAD_SPEC and _names_artifact(pod):
            # The spec is well; its place is taken. Only then does a refusal name an adapter.
            reason = Reason.ARTIFACT_CONFLICT
        return Ending(
            reason, told or reason.text, code, is_final=code.is_final, is_counted=code.is_counted
        )
    if pod.disruption:
        reason = reason_of_disruption(pod)
        what = _TAKEN_AWAY.get(reason, "the cluster took the pod away")
        told = told or pod.pod_message or f"{what}; it ran on node {pod.node} ({pod.disruption})"
        return Ending(reason, told, pod.exit_code, is_counted=False)
    if pod.ended_by == "OOMKilled":
        return Ending(Reason.OOM_KILLED, Reason.OOM_KILLED.text, pod.exit_code)
    if pod.pod_reason == EVICTED:
        return Ending(Reason.EVICTED, pod.pod_message or Reason.EVICTED.text, pod.exit_code)
    if pod.exit_code is None and pod.pod_reason:
        reason, told = _turned_away(pod)
        return Ending(reason, told)
    if pod.exit_code is None or pod.exit_code >= FIRST_SIGNAL_CODE:
        # Someone who deletes a pod and has no patience for its grace period is not a failure
        # of the run.
        how = told or pod.ended_by or f"exit code {pod.exit_code}"
        return Ending(Reason.KILLED, how, pod.exit_code, is_counted=not pod.deleting)
    told = told or f"the process ended with the unknown exit code {pod.exit_code}"
    return Ending(Reason.INTERNAL_ERROR, told, pod.exit_code)


def reason_of_disruption(pod: PodView) -> Reason:
    """Why the cluster takes a pod away: its node, what runs short there, or others' needs."""
    if pod.disruption in _LOST_NODE:
        return Reason.NODE_LOST
    return Reason.EVICTED if pod.pod_reason == EVICTED else Reason.PREEMPTED


def _turned_away(pod: PodView) -> tuple[Reason, str]:
    """Of a pod that its node refused before it ran: a device plugin that has no healthy GPU, or
    a node whose resources were taken since the pod was bound to it.
    """
    told = pod.pod_message or pod.pod_reason
    if pod.pod_reason == "UnexpectedAdmissionError" and "device" in told:
        return Reason.GPU_UNAVAILABLE, f"node {pod.node} gave the pod no GPU: {told}"
    return Reason.POD_REJECTED, f"node {pod.node} refused the pod ({pod.pod_reason}): {told}"


def has_evidence(job: JobView, pods: tuple[PodView, ...]) -> bool:
    """Whether the pods that are known explain what the Job controller says. They do not when
    a Job's event overtakes its pods', or when the pods are gone.
    """
    if not job.is_finished:
        return True
    return decisive(job, pods) is not None and (job.complete or all(pod.has_ended for pod in pods))


def decisive(job: JobView, pods: tuple[PodView, ...]) -> PodView | None:
    """The newest pod that ended as `job` did; for a Job on its way out, which gets no condition
    any more, the newest one that would have ended it.
    """
    for pod in reversed(pods):
        if pod.has_ended and _explains(ending_of(pod), job):
            return pod
    return None


def _explains(ending: Ending, job: JobView) -> bool:
    if job.complete:
        return ending.is_success
    if job.failed:
        return ending.is_final or not (_is_by_policy(job) or ending.is_success)
    return ending.is_success or ending.is_final


def _is_by_policy(job: JobView) -> bool:
    """Whether the Job failed at once because of how one of its pods ended."""
    return job.failure == "PodFailurePolicy"


def ending_of_failed_job(job: JobView) -> Ending:
    """The verdict on a failed Job whose pods are gone: all that is left is its condition."""
    found = _EXIT_CODE_IN_MESSAGE.search(job.failure_message)
    if _is_by_policy(job) and found and int(found[1]) in _KNOWN_CODES:
        code = ExitCode(int(found[1]))
        reason = REASON_OF_EXIT_CODE.get(code, Reason.INTERNAL_ERROR)
        return Ending(reason, reason.text, code, is_final=code.is_final, is_counted=code.is_counted)
    told = job.failure_message or f"Job {job.name} failed: {job.failure}"
    return Ending(Reason.END_UNSEEN, f"{told}; how its last pod ended was not seen")


def spoken(termination_message: str) -> str | None:
    """The sentence in a result; None when there is no result, but the end of the log that the
    kubelet put there.
    """
    raw = read_json(termination_message, MAX_RESULT_BYTES)
    if not isinstance(raw, dict):
        return None
    message = raw.get("message")
    return clip(message, MAX_MESSAGE) if isinstance(message, str) else ""


def _names_artifact(pod: PodView) -> bool:
    raw = read_json(pod.message, MAX_RESULT_BYTES)
    return isinstance(raw, dict) and bool(raw.get("artifact"))


def result_of(pod: PodView, model: type[Result]) -> Result | None:
    """The result in the pod's termination message, as far as it can be read."""
    raw = read_json(pod.message, MAX_RESULT_BYTES)
    if not isinstance(raw, dict) or raw.get("stage") != model.model_fields["stage"].default:
        return None
    return read_leniently(model, raw)
