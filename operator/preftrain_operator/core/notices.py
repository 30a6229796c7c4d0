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
    """Reason and words of what is in the way now; None when no notice tells.

    The newest one decides what kind of step fails: what went wrong in an earlier one is over. Of
    the notices about that step, one that names the cause comes before one that only says that
    something is wrong.
    """
    relevant = [notice for notice in notices if notice.reason in _REASONS]
    if not relevant:
        return None
    general = _REASONS[relevant[0].reason]
    for notice in relevant:
        known = reason_of_words(notice.message)
        if known is not None and _REASONS[notice.reason] is general:
            return known, tail(notice.message)
    return general, tail(relevant[0].message)


def reason_of_words(message: str) -> Reason | None:
    """The reason that the words of a refusal tell; None when they name nothing that is known."""
    return next((reason for pattern, reason in _PATTERNS if pattern.search(message)), None)
