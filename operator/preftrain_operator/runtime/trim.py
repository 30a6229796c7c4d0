"""Cuts API objects down to what decisions need: ten thousand of them stay in memory."""

from typing import Any

from preftrain_operator.kube.port import Json, Kind

_METADATA = (
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "labels",
    "ownerReferences",
)
_JOB_SPEC = ("suspend", "activeDeadlineSeconds")
_JOB_STATUS = (
    "startTime",
    "conditions",
    "active",
    "failed",
    "succeeded",
    "uncountedTerminatedPods",
)
_POD_STATUS = ("phase", "podIP", "startTime", "reason", "message")
_POD_CONDITIONS = ("DisruptionTarget", "PodScheduled", "PodReadyToStartContainers")


def trim(kind: Kind, item: Json) -> Json:
    """A new object with the parts of `item` that are looked at."""
    spec, status = item.get("spec") or {}, item.get("status") or {}
    metadata = _pick(item["metadata"], _METADATA)
    if kind is Kind.JOBS:
        return {
            "metadata": metadata,
            "spec": _pick(spec, _JOB_SPEC),
            "status": _pick(status, _JOB_STATUS),
        }
    if kind is Kind.PODS:
        return {
            "metadata": metadata,
            "spec": _pick(spec, ("nodeName",)),
            "status": {
                **_pick(status, _POD_STATUS),
                "conditions": [
                    condition
                    for condition in status.get("conditions") or ()
                    if condition.get("type") in _POD_CONDITIONS
                ],
                "containerStatuses": [
                    _pick(container, ("name", "state"))
                    for container in status.get("containerStatuses") or ()
                ],
            },
        }
    metadata.pop("labels", None)
    metadata.pop("ownerReferences", None)
    return {"metadata": metadata, "spec": spec, "status": status}


def _pick(source: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: source[key] for key in keys if key in source}
