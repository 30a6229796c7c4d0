"""Which children the watches and the lists tell of: those that carry our labels."""

from typing import Final

from preftrain_api.group import LABEL_JOB_UID, LABEL_MANAGED_BY, MANAGED_BY
from preftrain_operator.kube.port import Json, Kind

CHILD_SELECTOR: Final = f"{LABEL_MANAGED_BY}={MANAGED_BY},{LABEL_JOB_UID}"


def is_told(kind: Kind, item: Json) -> bool:
    """Whether watches and lists tell of the object as it is."""
    if kind is Kind.TRAINING_JOBS:
        return True
    labels = item["metadata"].get("labels") or {}
    return labels.get(LABEL_MANAGED_BY) == MANAGED_BY and LABEL_JOB_UID in labels
