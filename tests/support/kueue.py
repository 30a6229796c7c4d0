"""Plays Kueue on a Job, by the fields that its Job integration writes.

Kueue admits a Job by lifting its suspension, with the node labels and tolerations of the flavor
that it was given a place in; it takes the place away by suspending the Job again, and then puts
back what the Job had been created with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from support.training_jobs import TrainingJobs

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
        """Take the place away, and put the Job back to how it was created."""
        self.jobs.edit_child(name, {"spec": {"suspend": True}})
        # Kubernetes lets the template of a Job be changed only while it has not been started.
        self.jobs.edit_child(name, {"status": {"startTime": None}}, subresource="/status")
        gone: Json = {"nodeSelector": None, "tolerations": None}
        self.jobs.edit_child(name, _change(suspend=True, pod=gone))


def _change(*, suspend: bool, pod: Json) -> Json:
    return {"spec": {"suspend": suspend, "template": {"spec": pod}}}
