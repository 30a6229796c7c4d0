"""What Kubernetes says in Events and nowhere else: why a Job gets no pod, or a pod no volume."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from preftrain_api.reasons import Reason
from preftrain_operator.core.last_words import tail


@dataclass(frozen=True, slots=True)
class Notice:
    """A warning Event about a Job or a pod."""

    reason: str
    message: str


_PATTERNS: Final = (
    (re.compile(r"exceeded quota"), Reason.QUOTA_EXCEEDED),
    (re.compile(r"(?i)error looking up service account"), Reason.SERVICE_ACCOUNT_MISSING),
    (re.compile(r"(?i)secret \S+ not found|non-existent secret key"), Reason.SECRET_MISSING),
)
"""Words of the API server's admission plug-ins and of kubelets that say more than the reason."""
_REASONS: Final = {
    "FailedCreate": Reason.ADMISSION_REJECTED,
    "FailedMount": Reason.VOLUME_NOT_READY,
    "FailedAttachVolume": Reason.VOLUME_NOT_READY,
    "FailedCreatePodSandBox": Reason.CONTAINER_NOT_STARTED,
}


def cause(notices: Iterable[Notice]) -> tuple[Reason, str] | None:
    """Reason and words of the newest notice that tells what is in the way, one that names it
    before one that only says that something is; None when none does.
    """
    relevant = [notice for notice in notices if notice.reason in _REASONS]
    for notice in relevant:
        reason = reason_of_words(notice.message)
        if reason is not None:
            return reason, tail(notice.message)
    for notice in relevant:
        return _REASONS[notice.reason], tail(notice.message)
    return None


def reason_of_words(message: str) -> Reason | None:
    """The reason that the words of a refusal tell; None when they name nothing that is known."""
    return next((reason for pattern, reason in _PATTERNS if pattern.search(message)), None)
