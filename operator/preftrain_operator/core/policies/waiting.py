"""Why a pod does not run: what its status tells before anything has run in it."""

from datetime import datetime, timedelta
from typing import Final

from preftrain_api.reasons import Reason
from preftrain_operator.core.observed import PodView

UNSCHEDULABLE_SECONDS: Final = 10
"""A pod is called unschedulable after this time: schedulers report it in passing, too."""
_IMAGE_REASONS: Final = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"}
)
_SECRET_REASONS: Final = frozenset({"CreateContainerConfigError"})


def why_waiting(pod: PodView, now: datetime) -> tuple[Reason, str] | None:
    """Reason and message for a pod that is stuck; None for one that is on its way."""
    if pod.waiting in _IMAGE_REASONS:
        return Reason.IMAGE_PULL_FAILED, pod.waiting_message or pod.waiting
    if pod.waiting in _SECRET_REASONS:
        return Reason.SECRET_MISSING, pod.waiting_message or pod.waiting
    due = unschedulable_at(pod)
    if due is not None and due <= now:
        return Reason.UNSCHEDULABLE, pod.unschedulable_message
    return None


def unschedulable_at(pod: PodView) -> datetime | None:
    """When the pod is to be called unschedulable, if nothing changes."""
    since = pod.unschedulable_since
    return None if since is None else since + timedelta(seconds=UNSCHEDULABLE_SECONDS)
