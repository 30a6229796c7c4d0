"""Plays Kueue on a Job, by the fields that its Job integration writes.

Kueue admits a Job by lifting its suspension, with the node labels and tolerations of the flavor
that it was given a place in; it takes the place away by suspending the Job again, and then puts
back what the Job had been created with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cluster.errors import ApiError
from support.training_jobs import TrainingJobs
from support.waiting import eventually

Json = dict[str, Any]
LABEL = "kueue.x-k8s.io/queue-name"
FLAVOR: Json = {
    "nodeSelector": {"cloud.example.com/gpu": "h100"},
    "tolerations": [{"key": "spot", "operator": "Exists", "effect": "NoSchedule"}],
}
"""What pods are given that are admitted."""


@dataclass(frozen=True, slots=True)
class Kueue:
    """The queue of one namespace."""

    jobs: TrainingJobs

    def admit(self, name: str) -> Json:
        """Give the Job a place."""
        return self.jobs.edit_child(name, _change(suspend=False, pod=FLAVOR))

    def evict(self, name: str) -> None:
        """Take the place away."""
        self.jobs.edit_child(name, {"spec": {"suspend": True}})

    def restore(self, name: str) -> None:
        """Put the Job back to how it was created, once Kubernetes lets it: a Job's template may be
        changed only while nothing of it runs and it counts as not started.
        """

        def restored() -> bool:
            gone: Json = {"nodeSelector": None, "tolerations": None}
            try:
                self.jobs.edit_child(name, {"status": {"startTime": None}}, subresource="/status")
                self.jobs.edit_child(name, _change(suspend=True, pod=gone))
            except ApiError as error:
                if error.status not in (409, 422):
                    raise
                return False
            return True

        eventually(restored, f"{name} is as it was created")


def _change(*, suspend: bool, pod: Json) -> Json:
    return {"spec": {"suspend": suspend, "template": {"spec": pod}}}
