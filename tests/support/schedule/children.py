"""Jobs and pods as the Job controller judges them."""

from __future__ import annotations

from collections.abc import Iterator

from preftrain_api.group import LABEL_STAGE
from preftrain_operator.core.observed import controller_of as controller_of
from preftrain_operator.kube.port import Json


def stage_of(job: Json) -> str:
    """`prepare` or `train`; empty for a Job that is none of the operator's."""
    labels = job["metadata"].get("labels") or {}
    return str(labels.get(LABEL_STAGE, ""))


def is_finished(job: Json) -> bool:
    """Whether the Job controller has called it complete or failed."""
    conditions = (job.get("status") or {}).get("conditions") or ()
    return any(item["type"] in ("Complete", "Failed") for item in conditions)


def is_on_its_way_out(job: Json) -> bool:
    """Whether it will start no pod any more."""
    told = job["spec"].get("activeDeadlineSeconds") is not None
    return is_finished(job) or told or "deletionTimestamp" in job["metadata"]


def has_ended(pod: Json) -> bool:
    """Whether the pod's container will not run again."""
    return pod["status"]["phase"] in ("Succeeded", "Failed")


def exit_code_of(pod: Json) -> int:
    """Of a pod that has ended."""
    state = pod["status"]["containerStatuses"][0]["state"]
    return int(state["terminated"]["exitCode"])


def verdict(job: Json, codes: list[int]) -> tuple[str, str] | None:
    """What the Job controller makes of how a Job's pods have all ended: type and reason of its
    condition, or None while it goes on.
    """
    if 0 in codes:
        return "Complete", "Completed"
    counted = 0
    for code in codes:
        action = action_on(job, code)
        if action == "FailJob":
            return "Failed", "PodFailurePolicy"
        counted += action == "Count"
    return ("Failed", "BackoffLimitExceeded") if counted > job["spec"]["backoffLimit"] else None


def is_decided(job: Json, pods: list[Json]) -> bool:
    """Whether one of the Job's pods has ended in a way that ends the Job."""
    codes = [
        exit_code_of(pod)
        for pod in pods
        if controller_of(pod) == job["metadata"]["uid"] and has_ended(pod)
    ]
    return any(code == 0 or action_on(job, code) == "FailJob" for code in codes)


def action_on(job: Json, code: int) -> str:
    """What the Job's pod failure policy says of an exit code."""
    return next((action for wanted, action in _rules(job) if code in wanted), "Count")


def _rules(job: Json) -> Iterator[tuple[list[int], str]]:
    for rule in job["spec"]["podFailurePolicy"]["rules"]:
        if "onExitCodes" in rule:
            yield rule["onExitCodes"]["values"], rule["action"]
